"""What was measured, as JSON for machines and as Markdown for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from bench.rounds import Result, Verdict


def as_json(machine: Mapping[str, str], results: Sequence[Result], missing: Mapping[str, str]) -> str:
    """Return the report as JSON: every median, every target and what became of it."""
    whole = {"machine": dict(machine), "work": [_work(one) for one in results], "missing_peers": dict(missing)}
    return json.dumps(whole, indent=2) + "\n"


def as_markdown(machine: Mapping[str, str], results: Sequence[Result], missing: Mapping[str, str]) -> str:
    """Return the report as Markdown: the machine, then targets and medians of each piece of work."""
    parts = ["## The machine", "", *(f"- {name}: {value}" for name, value in machine.items()), ""]
    parts += ["## Targets", "", "| what | target | measured | |", "| --- | --- | --- | --- |"]
    parts += [_row(verdict) for one in results for verdict in one.verdicts]
    parts += ["", "## Medians", ""]
    for one in results:
        parts += [f"### {one.title}", "", *one.notes, *([""] if one.notes else []), *_medians(one), ""]
    if missing:
        parts += ["## Peers that are missing", "", *(f"- {name}: {why}" for name, why in missing.items()), ""]
    return "\n".join(parts)


def _work(result: Result) -> dict[str, object]:
    return {
        "title": result.title,
        "rounds": result.rounds,
        "medians": {name: dict(figures) for name, figures in result.medians.items()},
        "targets": [_verdict(one) for one in result.verdicts],
        "failures": dict(result.failures),
    }


def _verdict(verdict: Verdict) -> dict[str, object]:
    target = verdict.target
    return {
        "what": target.what,
        "sense": target.sense,
        "bound": target.bound,
        "unit": target.unit,
        "value": verdict.value,
        "reached": verdict.is_reached,
    }


def _row(verdict: Verdict) -> str:
    target = verdict.target
    value = "not measured" if verdict.value is None else f"{_shown(verdict.value)} {target.unit}"
    word = "" if verdict.value is None else "reached" if verdict.is_reached else "**not reached**"
    return f"| {target.what} | {target.sense} {_shown(target.bound)} {target.unit} | {value} | {word} |"


def _medians(result: Result) -> list[str]:
    rows = [f"| {name} | {_figures(figures)} |" for name, figures in result.medians.items()]
    rows += [f"| {name} | failed: {why} |" for name, why in result.failures.items()]
    return ["| who | medians |", "| --- | --- |", *rows]


def _figures(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {_shown(value)}" for name, value in figures.items())


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
