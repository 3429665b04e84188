"""Pictures for Python programs: `from checkpointflow.viz import workflow_to_mermaid, mermaid_to_html`."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from checkpointflow.python.drawing import mermaid_to_html, workflow_to_mermaid

__all__ = ["mermaid_to_html", "workflow_to_mermaid"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module `checkpointflow.viz` has no `{name}`")
    found: object = getattr(_import_module("checkpointflow.python.drawing"), name)
    globals()[name] = found
    return found
