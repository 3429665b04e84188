"""What authors of stores, engines and workflows test theirs with; loaded name by name, nothing lives here."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checkpointflow.testing.clock import FakeClock
    from checkpointflow.testing.crashing import Crash, CrashingStore
    from checkpointflow.testing.engines import EngineContract
    from checkpointflow.testing.functions import Played, replay, run_to_completion
    from checkpointflow.testing.stores import StoreContract
    from checkpointflow.testing.workflows import CaseResult, CasesReport, run_case, run_cases

__all__ = [
    "CaseResult",
    "CasesReport",
    "Crash",
    "CrashingStore",
    "EngineContract",
    "FakeClock",
    "Played",
    "StoreContract",
    "replay",
    "run_case",
    "run_cases",
    "run_to_completion",
]

_HOMES = {"Crash": "crashing", "CrashingStore": "crashing", "StoreContract": "stores", "FakeClock": "clock"}
_HOMES |= {"EngineContract": "engines"}
_HOMES |= dict.fromkeys(("Played", "replay", "run_to_completion"), "functions")
_HOMES |= dict.fromkeys(("CaseResult", "CasesReport", "run_case", "run_cases"), "workflows")


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = f"{__name__}.{_HOMES[name]}"
    is_contract = _HOMES[name] in ("crashing", "engines", "stores")
    if is_contract and home not in sys.modules and (pytest := sys.modules.get("pytest")):
        promises = (f"{__name__}.{part}_promises" for part in ("inbox", "driving", "moving"))
        pytest.register_assert_rewrite(home, *promises)  # so that broken promises show values
    return getattr(import_module(home), name)
