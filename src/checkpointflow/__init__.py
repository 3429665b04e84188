"""checkpointflow: durable workflows for people, agents and shells."""

from __future__ import annotations

from checkpointflow.version import __version__

TYPE_CHECKING = False  # as `typing` has it, whose import would be a tenth of `cpf --version`

__all__ = [
    "Checkpoint",
    "Client",
    "Document",
    "Event",
    "Outcome",
    "Retry",
    "Store",
    "WorkflowContext",
    "__version__",
    "current_step",
    "task",
    "workflow",
]

if TYPE_CHECKING:
    from checkpointflow.frontends.functions.context import WorkflowContext
    from checkpointflow.frontends.functions.tasks import current_step
    from checkpointflow.kernel.retry import RetryPolicy as Retry
    from checkpointflow.python.checkpoint import Checkpoint
    from checkpointflow.python.client import Client
    from checkpointflow.python.documents import Document
    from checkpointflow.python.functions import task, workflow
    from checkpointflow.python.outcome import Event, Outcome
    from checkpointflow.python.store import Store

_HOMES = {
    "Checkpoint": "python.checkpoint:Checkpoint",
    "Client": "python.client:Client",
    "Document": "python.documents:Document",
    "Event": "python.outcome:Event",
    "Outcome": "python.outcome:Outcome",
    "Retry": "kernel.retry:RetryPolicy",
    "Store": "python.store:Store",
    "WorkflowContext": "frontends.functions.context:WorkflowContext",
    "current_step": "frontends.functions.tasks:current_step",
    "task": "python.functions:task",
    "workflow": "python.functions:workflow",
}
"""Where each public name lives; it is imported when it is first used, so that importing the package is cheap."""


def __getattr__(name: str) -> object:
    """Return a public name, imported now."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module `checkpointflow` has no attribute `{name}`")
    from importlib import import_module

    module, _, attribute = home.partition(":")
    found: object = getattr(import_module(f"{__name__}.{module}"), attribute)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
