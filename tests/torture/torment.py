"""A whole torture: documents, a storm, everything driven to its end, the evidence, the verdict."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from checkpointflow.client import Client
from torture.checker import violations
from torture.documents import write_documents
from torture.evidence import Evidence, Watch, effects_in, found_in, where_they_ended
from torture.settling import bring_home, settle
from torture.storm import Log, Place, make_place, storm
from torture.web import web

DOCUMENTS = 12
SETTLING_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What happened how often, and what must not have."""

    counts: Mapping[str, int]
    violations: list[str]


def torment(folder: Path, environment: Mapping[str, str], *, seed: str, workers: int, seconds: float) -> Figures:
    """Torture two stores in a folder for so many seconds, and return what came of it."""
    place, log = make_place(folder, environment), Log()
    watch = Watch(place.homes)
    with web() as (url, asked):
        write_documents(folder, random.Random(seed), DOCUMENTS, url=url)
        watching = threading.Thread(target=watch.look, args=(min(3.0, seconds / 40),))
        watching.start()
        try:
            storm(place, log, seed=seed, workers=workers, seconds=seconds)
        finally:
            watch.stop()
            watching.join()
        (folder / "reports").write_text("".join(f"{report.as_json()}\n" for report in log.reports))
        stuck = _settled(place, log)
    runs, traces = where_they_ended(found_in(place.homes, log.forgotten))
    evidence = Evidence(
        runs=runs, effects=effects_in(place.effects), requests=asked.requests, traces=traces, reports=log.reports,
        sights=watch.sights, stuck=stuck, forgotten={run.head.run_id for run in log.forgotten},
    )  # fmt: skip
    return Figures(counts=_counted(log, evidence), violations=[*log.troubles, *violations(evidence)])


def _settled(place: Place, log: Log) -> list[str]:
    """Drive every run in every home to its end; return what must not have been on the way."""
    lost = bring_home(place.homes, log.forgotten, place.folder / "lost.bundle")
    log.add(**{"runs found between homes": lost})
    stuck = []
    for home in place.homes:
        with Client(home.settings()) as client:
            stuck += settle(client, seconds=SETTLING_SECONDS)
    return stuck


def _counted(log: Log, evidence: Evidence) -> dict[str, int]:
    heads = [run.head for run in evidence.runs.values()]
    entries = Counter(type(entry).__name__ for run in evidence.runs.values() for entry in run.entries)
    carried = [report for report in log.reports if report.move.kind == "import" and report.is_accepted]
    return {
        "runs": len(heads),
        **{f"runs {status}": count for status, count in sorted(Counter(head.status for head in heads).items())},
        **dict(sorted(log.counts.items())),
        "refused": sum(bool(report.code) for report in log.reports),
        "runs moved": sum(report.move.decision == "" for report in carried),
        "runs copied": sum(report.move.decision == "copy" for report in carried),
        "runs read and forgotten": len(log.forgotten),
        "attempts begun": sum(effect.what == "begin" for effect in evidence.effects),
        "requests": len(evidence.requests),
        "attempts interrupted": entries["StepInterrupted"],
        "answers received": entries["EventReceived"],
        "definitions changed": entries["DefinitionChanged"],
        "reopened": entries["RunReopened"],
        "entries": sum(entries.values()),
        "sights": len(evidence.sights),
    }
