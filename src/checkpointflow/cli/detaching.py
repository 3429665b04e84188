"""`run --detach`: a child process drives, in a session of its own; this one says which run it is and ends."""

from __future__ import annotations

import sys
import threading
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from checkpointflow.cli import shapes
from checkpointflow.cli.actions import action
from checkpointflow.cli.envelope import Envelope
from checkpointflow.errors import RunInterruptedError
from checkpointflow.values import JsonObject

if TYPE_CHECKING:
    import subprocess

    from checkpointflow.cli.door import Door
    from checkpointflow.client import Client
    from checkpointflow.config import Settings
    from checkpointflow.views import RunView

OUTPUT = "detached.ndjson"
_PATIENCE_SECONDS = 20.0
_POLL_SECONDS = 0.02
_OF_A_STEP = {"CPF_RUN_ID", "CPF_STEP_KEY", "CPF_ATTEMPT", "CPF_IDEMPOTENCY_KEY"}
_TO_DRIVE = {"interrupted", "waiting"}


def handed_over(door: Door, client: Client, view: RunView, args: Namespace) -> Envelope:
    """Have a child process drive a run, and return its envelope once the child has it; accepted is exit code 0.

    A run that is driven already, or that nobody needs to drive, is left to itself.

    Raises:
        RunInterruptedError: the child ended before it took the run, which stays as it was.
    """
    if view.status in _TO_DRIVE:
        view = _taken(client, view, _child(door, view.run_id, args), _output(door, view.run_id))
    if door.form == "id":
        return Envelope(text=f"{view.run_id}\n")
    return shapes.of_run(view, exit_code=0, ok=True, more=_more(door, view))


def _more(door: Door, view: RunView) -> JsonObject:
    more: JsonObject = {"driven": False, "output_file": str(_output(door, view.run_id))}
    if view.status == "interrupted":
        more["warnings"] = ["the process that is to drive the run has not begun yet; look again with `cpf status`"]
    if view.status == "running":
        ask = ["--run-id", view.run_id]
        more["next_actions"] = [
            action("Look at it", ["cpf", "status", *ask]),
            action("Follow it until it waits or settles", ["cpf", "resume", *ask]),
            action("Follow what its steps print", ["cpf", "logs", *ask, "-F"]),
        ]
    return more


def _output(door: Door, run_id: str) -> Path:
    return door.settings.home / "runs" / run_id / OUTPUT


def _child(door: Door, run_id: str, args: Namespace) -> subprocess.Popen[bytes]:
    from checkpointflow.steps.detached import start_detached

    settings = door.settings
    words = ["resume", "--run-id", run_id, "--output-format", "ndjson"]
    words += [] if args.inline_wait is None else [f"--inline-wait={args.inline_wait}"]
    words.append(f"--actor={settings.actor}")
    try:
        return start_detached(
            [sys.executable, "-P", "-m", "checkpointflow", *words],  # -P: no module of the working folder is ours
            cwd=settings.cwd,
            environment=_environment(settings),
            output=_output(door, run_id),
        )
    except OSError as error:
        raise _not_taken(run_id, f"no process could be started: {error.strerror or error}") from None


def _environment(settings: Settings) -> dict[str, str]:
    """What the child inherits; if a step of another run starts it, it is not that step's any more."""
    kept = {name: value for name, value in settings.environment.items() if name not in _OF_A_STEP}
    return kept | {"CPF_HOME": str(settings.home)}


def _taken(client: Client, before: RunView, child: subprocess.Popen[bytes], output: Path) -> RunView:
    """Wait until the child has taken the run, and return it as it stands then."""
    pause, waited = threading.Event(), 0.0
    while True:
        code, view = child.poll(), client.get(before.run_id)
        if view.status not in _TO_DRIVE or view.updated_at != before.updated_at or waited >= _PATIENCE_SECONDS:
            return view
        if code is not None and before.status == "interrupted":
            raise _not_taken(before.run_id, f"the process that was to drive it ended with {code} (see `{output}`)")
        if code is not None:
            return view  # it had nothing to do but wait, and waits again
        pause.wait(_POLL_SECONDS)
        waited += _POLL_SECONDS


def _not_taken(run_id: str, why: str) -> RunInterruptedError:
    hint = f"`cpf resume --run-id {run_id}` goes on with it here"
    return RunInterruptedError(f"run `{run_id}` was recorded, but {why}", hint=hint, run_id=run_id)
