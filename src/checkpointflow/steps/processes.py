"""Commands as process groups: started, waited for, ended as a whole; nothing here knows of steps or of parsing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from typing import BinaryIO, cast

from checkpointflow.errors import UnsupportedError
from checkpointflow.kernel.effects import EffectStopped, OutcomeLost, Stop
from checkpointflow.records import dataclass
from checkpointflow.steps.masking import MaskedStream
from checkpointflow.steps.outputs import OutputFile, new_file, unwritable
from checkpointflow.steps.pumps import Pump

GRACE_SECONDS = 5.0
_AFTER_KILL_SECONDS = 2.0
_PROC = Path("/proc")


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """What to start: a list of arguments (on Windows also one line), where, with which environment and files.

    `stdin` is all that the command can read, None for nothing; the two files are made anew. `masks` are what its
    stdout and stderr go through on their way there, None if they go straight. `inherited` are further descriptors of
    ours that it gets.
    """

    arguments: Sequence[str] | str
    cwd: str
    environment: Mapping[str, str]
    stdin: bytes | None
    stdout_path: Path
    stderr_path: Path
    masks: tuple[MaskedStream | None, MaskedStream | None] = (None, None)
    inherited: tuple[int, ...] = ()


def run(command: Command, stop: Stop, grace_seconds: float = GRACE_SECONDS) -> int:
    """Run a command to its end; return its exit code, or minus the signal that ended it.

    What it leaves running in the background is left alone (where output is masked, see Pump). When `stop` asks, its
    whole group is ended: SIGTERM, and SIGKILL for what is still there after the grace.

    Raises:
        EffectStopped: it was asked to end before its exit was seen.
        OutcomeLost: something else in this process took its exit status.
        UnsupportedError: exit codes cannot be seen in this process.
        StoreUnavailable: its files cannot be made or written.
        OSError: it cannot be started.
    """
    if stop.cause is not None:
        raise EffectStopped
    process, pumps = _start(command)
    group = ProcessGroup(process, grace_seconds)
    stop.on_ask(group.ask_to_end)
    try:
        group.await_leader()
        asked = stop.cause is not None
        stop.forget()
        if asked:
            group.end_rest()
    finally:
        code = group.reap()
        _finish(pumps, command, is_cut=code < 0 or stop.cause is not None)
    if asked:
        raise EffectStopped
    return code


def _start(command: Command) -> tuple[subprocess.Popen[bytes], list[Pump]]:
    _refuse_ignored_children()
    with ExitStack() as opened:
        pumps: list[Pump] = []
        stdin, stdout, stderr = _files(command, opened, pumps)
        process = subprocess.Popen(
            command.arguments,
            cwd=command.cwd,
            env=command.environment,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=command.inherited,
            start_new_session=sys.platform != "win32",
            creationflags=_CREATION_FLAGS,
        )
        for pump in pumps:
            pump.start()
    return process, pumps


def _finish(pumps: list[Pump], command: Command, *, is_cut: bool) -> None:
    errors = [pump.finish(is_cut=is_cut) for pump in pumps]
    for error in errors:
        if error is not None:
            raise unwritable(command.stdout_path, error) from error


class ProcessGroup:
    """A started command and everything that it starts in turn."""

    def __init__(self, process: subprocess.Popen[bytes], grace_seconds: float) -> None:
        self._process = process
        self._grace = grace_seconds
        self._lock = threading.Lock()
        self._is_reaped = False
        self._leader_gone = threading.Event()
        self._kill_at = 0.0

    def ask_to_end(self) -> None:
        """Ask the group to end and return at once; its leader is killed if the grace passes."""
        self._kill_at = time.monotonic() + self._grace
        self._signal_all(force=False)
        threading.Thread(target=self._kill_later, name="grace", daemon=True).start()

    def await_leader(self) -> None:
        """Wait until the command itself has ended; its id stays taken until `reap`, so no stranger can be meant by it.

        Where the system cannot do that (macOS before Python 3.13) the id is free from here on.

        Raises:
            OutcomeLost: its exit status was taken by something else.
        """
        try:
            if sys.platform == "win32" or not hasattr(os, "waitid"):
                self._process.wait()
            else:
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            raise OutcomeLost(f"the exit status of process {self._process.pid} was taken by other code") from None
        finally:
            self._leader_gone.set()

    def end_rest(self) -> None:
        """Wait until the rest of a group that was asked to end has gone, and kill it when the grace has passed."""
        if not self._kill_at:
            self.ask_to_end()  # whoever asks has said so, and was not here yet
        if not await_gone(self._process.pid, self._kill_at - time.monotonic()):
            self._signal_all(force=True)
            await_gone(self._process.pid, _AFTER_KILL_SECONDS)

    def reap(self) -> int:
        """Return the exit code (minus the signal), and let go of the process's id."""
        with self._lock:
            self._is_reaped = True
        return self._process.wait()

    def _kill_later(self) -> None:
        if not self._leader_gone.wait(self._grace):
            self._signal_all(force=True)

    def _signal_all(self, *, force: bool) -> None:
        with self._lock:
            if not self._is_reaped:
                signal_group(self._process.pid, force=force)


if sys.platform == "win32":
    _CREATION_FLAGS = subprocess.CREATE_NEW_PROCESS_GROUP

    def signal_group(group: int, *, force: bool) -> None:
        """End a process and its children at once; Windows has no polite way that reaches all of them."""
        del force
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(group)], capture_output=True, check=False)

    def group_lives(group: int) -> bool:
        """Tell whether anything of a group still runs; after `taskkill /T` nothing that could be found does."""
        del group
        return False

    def _refuse_ignored_children() -> None:
        """Windows has no SIGCHLD."""

else:
    _CREATION_FLAGS = 0

    def signal_group(group: int, *, force: bool) -> None:
        """Ask every process of a group to end, or kill them all; a group that is gone is fine."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL if force else signal.SIGTERM)
            if not force:
                os.killpg(group, signal.SIGCONT)  # a stopped process would not hear SIGTERM

    def group_lives(group: int) -> bool:
        """Tell whether any process of a group still runs; one that only waits to be reaped does not."""
        if not _PROC.joinpath("self", "stat").exists():
            return _answers(group)
        return any(pgid == group for _, _, pgid in running())

    def _refuse_ignored_children() -> None:
        """Python calls every command a success when SIGCHLD is ignored, which whoever started us may have set."""
        if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
            raise UnsupportedError(
                "this process ignores SIGCHLD, so exit codes of commands cannot be seen; "
                "start it without that (`signal.signal(signal.SIGCHLD, signal.SIG_DFL)`)"
            )

    def _answers(group: int) -> bool:
        """Without /proc: where a group has only dead members left, the signal 0 is refused."""
        try:
            os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):
            return False
        return True


def await_gone(group: int, seconds: float) -> bool:
    """Wait at most so long until nothing of a group runs; return whether that came to be.

    Members are nobody's children here, so they are looked for again and again, at growing intervals.
    """
    until = time.monotonic() + seconds
    pause = 0.002
    while group_lives(group):
        if time.monotonic() >= until:
            return False
        time.sleep(pause)
        pause = min(2 * pause, 0.05)
    return True


def running() -> Iterator[tuple[int, int, int]]:
    """Yield (process, parent, group) of every running process that /proc shows; nothing without /proc."""
    try:
        names = [entry.name for entry in _PROC.iterdir()]
    except OSError:
        return
    for name in names:
        if name.isdecimal():
            fields = _stat(name)
            if fields and fields[0] not in ("Z", "X"):
                yield int(name), int(fields[1]), int(fields[2])


def _stat(pid: str) -> list[str]:
    """Return state, parent, group … of a process; the name before them may hold blanks and brackets."""
    try:
        text = (_PROC / pid / "stat").read_bytes()
    except OSError:
        return []
    return text.rpartition(b")")[2].decode("ascii", "replace").split()


def _files(command: Command, opened: ExitStack, pumps: list[Pump]) -> tuple[BinaryIO | int, FileIO, FileIO]:
    try:
        stdin = subprocess.DEVNULL if command.stdin is None else opened.enter_context(_holding(command.stdin))
        stdout, stderr = (
            _output(path, mask, opened, pumps)
            for path, mask in zip((command.stdout_path, command.stderr_path), command.masks, strict=True)
        )
    except OSError as error:
        raise unwritable(command.stdout_path, error) from error
    return stdin, stdout, stderr


def _output(path: Path, mask: MaskedStream | None, opened: ExitStack, pumps: list[Pump]) -> FileIO:
    """Return what a command writes to: a file, or the pipe to one."""
    file = new_file(path)
    if mask is None:
        return opened.enter_context(file)
    pump = Pump(OutputFile(file, mask))
    opened.callback(pump.release)
    pumps.append(pump)
    return pump.write_end


def _holding(data: bytes) -> BinaryIO:
    """Return what a command reads data from, which may hold secrets: no disk sees it.

    Where files cannot be in memory it is a pipe that a thread fills, since a command may not care to read it.
    """
    if sys.platform == "linux":
        file = unnamed_file()
        file.write(data)
        file.seek(0)
    else:
        read_end, write_end = os.pipe()
        file = os.fdopen(read_end, "rb")
        threading.Thread(target=_feed, args=(os.fdopen(write_end, "wb"), data), name="stdin", daemon=True).start()
    return file


def _feed(pipe: BinaryIO, data: bytes) -> None:
    with contextlib.suppress(OSError), pipe:  # nobody reads it any longer
        pipe.write(data)


def unnamed_file() -> BinaryIO:
    """Make a file without a name, in memory where the system can."""
    if sys.platform == "linux":
        file = os.fdopen(os.memfd_create("checkpointflow"), "w+b")
    else:
        from tempfile import TemporaryFile

        file = TemporaryFile()  # noqa: SIM115 - the caller closes it
    return cast(BinaryIO, file)
