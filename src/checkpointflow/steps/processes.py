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
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from checkpointflow.errors import StoreUnavailable, UnsupportedError
from checkpointflow.kernel.effects import EffectStopped, OutcomeLost, Stop

GRACE_SECONDS = 5.0
_AFTER_KILL_SECONDS = 2.0
_PROC = Path("/proc")


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """What to start: a list of arguments (on Windows also one line), where, with which environment and files.

    `stdin` is all that the command can read, None for nothing; the two files are made anew.
    """

    arguments: Sequence[str] | str
    cwd: str
    environment: Mapping[str, str]
    stdin: bytes | None
    stdout_path: Path
    stderr_path: Path


def run(command: Command, stop: Stop, grace_seconds: float = GRACE_SECONDS) -> int:
    """Run a command to its end; return its exit code, or minus the signal that ended it.

    What it leaves running in the background is left alone. When `stop` asks, its whole group is ended: SIGTERM, and
    SIGKILL for what is still there after the grace.

    Raises:
        EffectStopped: it was asked to end before its exit was seen.
        OutcomeLost: something else in this process took its exit status.
        UnsupportedError: exit codes cannot be seen in this process.
        StoreUnavailable: its files cannot be made.
        OSError: it cannot be started.
    """
    if stop.cause is not None:
        raise EffectStopped
    group = ProcessGroup(_start(command), grace_seconds)
    stop.on_ask(group.ask_to_end)
    try:
        group.await_leader()
        asked = stop.cause is not None
        stop.forget()
        if asked:
            group.end_rest()
    finally:
        code = group.reap()
    if asked:
        raise EffectStopped
    return code


def _start(command: Command) -> subprocess.Popen[bytes]:
    _refuse_ignored_children()
    with ExitStack() as opened:
        stdin, stdout, stderr = _files(command, opened)
        return subprocess.Popen(
            command.arguments,
            cwd=command.cwd,
            env=command.environment,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=sys.platform != "win32",
            creationflags=_CREATION_FLAGS,
        )


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


def _files(command: Command, opened: ExitStack) -> tuple[IO[bytes] | int, IO[bytes], IO[bytes]]:
    try:
        stdin = subprocess.DEVNULL if command.stdin is None else opened.enter_context(_holding(command.stdin))
        stdout = opened.enter_context(new_output(command.stdout_path))
        return stdin, stdout, opened.enter_context(new_output(command.stderr_path))
    except OSError as error:
        raise unwritable(command.stdout_path, error) from error


def unwritable(path: Path, error: OSError) -> StoreUnavailable:
    """Return the error for files of a command that cannot be made, read or kept."""
    reason = error.strerror or str(error)
    return StoreUnavailable(
        f"the output file `{error.filename or path}` of a command cannot be used: {reason}; "
        "make room or make its folder writable, then resume the run"
    )


def _holding(data: bytes) -> IO[bytes]:
    """A file without a name; not a pipe, on which a command that does not read would block us."""
    if sys.platform == "linux":
        file: IO[bytes] = os.fdopen(os.memfd_create("stdin"), "w+b")
    else:
        from tempfile import TemporaryFile

        file = TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.write(data)
    file.seek(0)
    return file


def new_output(path: Path) -> IO[bytes]:
    """Make an attempt's output file: only its owner may read it, and enter the folders around it.

    A file of an earlier attempt is removed, not emptied: a process left behind may still write to it. Appending keeps
    the rest in order when a command opens `/dev/stdout` anew and so empties it.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
    try:
        descriptor = os.open(path, flags, 0o600)
    except (FileNotFoundError, FileExistsError):
        _make_folder(path.parent)
        path.unlink(missing_ok=True)
        descriptor = os.open(path, flags, 0o600)
    return os.fdopen(descriptor, "wb", buffering=0)


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
