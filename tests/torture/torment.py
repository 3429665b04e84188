"""A whole torture: documents, a storm, everything driven to its end, the evidence, the verdict."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from checkpointflow.client import Client
from checkpointflow.clock import SystemClock
from checkpointflow.stores import open_store
from torture.checker import violations
from torture.documents import write_documents
from torture.evidence import Evidence, Watch, gathered
from torture.settling import settle
from torture.storm import Log, Place, make_place, storm

DOCUMENTS = 12
SETTLING_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What happened how often, and what must not have."""

    counts: Mapping[str, int]
    violations: list[str]


def torment(
    folder: Path, environment: Mapping[str, str], *, seed: str, workers: int, seconds: float, url: str | None = None
) -> Figures:
    """Torture a store in a folder, or in the database at a URL, for so many seconds; return what came of it."""
    write_documents(folder, random.Random(seed), DOCUMENTS)
    place, log = make_place(folder, environment, url), Log()
    store = open_store(url or place.home, clock=SystemClock(), durability="process")
    watch = Watch(url or place.home, store)
    watching = threading.Thread(target=watch.look, args=(min(3.0, seconds / 40),))
    watching.start()
    try:
        storm(place, log, seed=seed, workers=workers, seconds=seconds)
    finally:
        watch.stop()
        watching.join()
    (folder / "reports").write_text("".join(f"{report.as_json()}\n" for report in log.reports))
    with Client(place.settings()) as client:
        stuck = settle(client, seconds=SETTLING_SECONDS)
    evidence = gathered(url or place.home, store, place.effects, log.reports, watch.sights, stuck)
    store.close()
    return Figures(counts=_counted(place, log, evidence), violations=[*log.troubles, *violations(evidence)])


def _counted(place: Place, log: Log, evidence: Evidence) -> dict[str, int]:
    heads = [run.head for run in evidence.runs.values()]
    entries = Counter(type(entry).__name__ for run in evidence.runs.values() for entry in run.entries)
    return {
        "runs": len(heads),
        **{f"runs {status}": count for status, count in sorted(Counter(head.status for head in heads).items())},
        **dict(sorted(log.counts.items())),
        "refused": sum(bool(report.code) for report in log.reports),
        "attempts begun": sum(effect.what == "begin" for effect in evidence.effects),
        "attempts interrupted": entries["StepInterrupted"],
        "answers received": entries["EventReceived"],
        "definitions changed": entries["DefinitionChanged"],
        "reopened": entries["RunReopened"],
        "entries": sum(entries.values()),
        "sights": len(evidence.sights),
    }
