"""Control blocks by kind: each decides what runs next, through the verbs of its frame's run."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeAlias

from checkpointflow.frontends.document.blocks.await_event import run_await_event
from checkpointflow.frontends.document.blocks.end import run_end
from checkpointflow.frontends.document.blocks.foreach import run_foreach
from checkpointflow.frontends.document.blocks.parallel import run_parallel
from checkpointflow.frontends.document.blocks.set import run_set
from checkpointflow.frontends.document.blocks.sleep import run_sleep
from checkpointflow.frontends.document.blocks.switch import run_switch
from checkpointflow.frontends.document.blocks.workflow import run_workflow
from checkpointflow.frontends.document.frame import Done, Frame
from checkpointflow.frontends.document.model import Step

Block: TypeAlias = Callable[[Frame, Step], Coroutine[Any, Any, Done]]

BLOCKS: Mapping[str, Block] = {
    "await_event": run_await_event,
    "end": run_end,
    "foreach": run_foreach,
    "parallel": run_parallel,
    "set": run_set,
    "sleep": run_sleep,
    "switch": run_switch,
    "workflow": run_workflow,
}
