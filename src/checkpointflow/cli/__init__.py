"""The command line `cpf`: one envelope per command; importing this loads next to nothing."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

__all__ = ["entry", "main"]


def entry() -> NoReturn:
    """Run the command of this process's arguments, and exit with its exit code."""
    argv = sys.argv[1:]
    if argv[:1] not in (["--version"], ["__complete"]):
        _hear_sigterm()
    try:
        exit_code = main(argv)
    except KeyboardInterrupt:
        exit_code = 130  # all has been said by now, or nothing was to be
    if "temporalio.bridge" in sys.modules:
        from checkpointflow.cli.streams import leave_at_once

        leave_at_once(exit_code)
    sys.exit(exit_code)


def _hear_sigterm() -> None:
    """Have SIGTERM be answered as Ctrl-C is, from the first instant: what drives runs has better answers, later."""
    import _signal  # type: ignore[import-not-found] # it is in every interpreter; `signal` takes a millisecond more

    _signal.signal(_signal.SIGTERM, _signal.default_int_handler)


def main(argv: Sequence[str]) -> int:
    """Run one command, print its envelope to stdout, and return its exit code; nothing is raised."""
    if list(argv) == ["--version"]:
        return _version()
    if argv and argv[0] == "__complete":
        from checkpointflow.cli.candidates import main as complete

        return complete(argv[1:])
    told: list[int] = []
    try:
        from checkpointflow.cli.door import main as open_door

        open_door(list(argv), told)
    except KeyboardInterrupt:
        if not told:
            from checkpointflow.cli.door import leave

            leave(list(argv), told)
    return told[-1]


def _version() -> int:
    from checkpointflow.cli.streams import put
    from checkpointflow.version import __version__

    return put(f"checkpointflow {__version__}\n")
