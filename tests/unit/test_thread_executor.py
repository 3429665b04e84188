"""The executor of threads with the real step kinds: how attempts begin, end, and are ended."""

import asyncio
import os
import select
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from checkpointflow.errors import StoreUnavailable
from checkpointflow.frontends.functions.loops import OwnLoop
from checkpointflow.kernel.effects import Broken, Effect, Failed, OutcomeLost, Succeeded, Unseen
from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.kernel.run import LocalEffect, Policy, StepCall, StepContext, StepResult
from checkpointflow.kernel.threads import ThreadExecutor
from checkpointflow.steps import make_perform
from checkpointflow.steps.base import StepSettings, output_paths
from checkpointflow.steps.processes import ProcessGroup

RUN = RunId("01JZXY")


@pytest.fixture
def settings(tmp_path):
    environment = {"PATH": os.environ["PATH"]}
    return StepSettings(runs_dir=tmp_path / "home" / "runs", sync=False, environment=environment)


@pytest.fixture
def executor(settings):
    return ThreadExecutor(make_perform(settings), lambda run_id, attempts: None)


def context(tmp_path, key="s", attempt=1):
    return StepContext(run_id=RUN, key=StepKey(key), attempt=attempt, idempotency_key="k", cwd=str(tmp_path))


def command(tmp_path, text, *, key="s", timeout_seconds=None):
    policy = Policy(timeout_seconds=timeout_seconds)
    call = StepCall(kind="cli", arguments={"command": text}, policy=policy)
    return Effect(call=call, context=context(tmp_path, key))


def local(tmp_path, function, *, key="l", timeout_seconds=None):
    policy = Policy(timeout_seconds=timeout_seconds)
    effect = LocalEffect(function=lambda _context: function(), identity="test:function", policy=policy)
    return Effect(call=effect, context=context(tmp_path, key))


def endings(executor, count):
    found = {}
    while len(found) < count:
        finished = executor.wait(30)
        assert finished, "nothing ended within 30 seconds"
        found |= {one.key: one.ending for one in finished}
    return found


def ending(executor):
    (only,) = endings(executor, 1).values()
    return only


class Line:
    """A named pipe on which a command says that it is up, and whose end shows that all who had it are gone."""

    def __init__(self, path):
        os.mkfifo(path)
        self.path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def read(self):
        assert self._poll.poll(30_000), "nothing came within 30 seconds"
        return os.read(self._fd, 1000)

    @property
    def is_held(self):
        """Tell whether anybody may still write."""
        return not any(event & select.POLLHUP for _, event in self._poll.poll(0))

    def close(self):
        os.close(self._fd)


@pytest.fixture
def line(tmp_path):
    line = Line(tmp_path / "line")
    yield line
    line.close()


# -- commands --------------------------------------------------------------------------------------


def test_a_command_that_succeeds_gives_its_result(executor, tmp_path):
    executor.start(command(tmp_path, """echo '{"a": 1}'"""))
    assert ending(executor) == Succeeded(StepResult({"a": 1}, {"exit_code": 0}))


def test_a_command_that_fails_gives_its_error_as_a_journal_keeps_it(executor, tmp_path):
    executor.start(command(tmp_path, "echo why >&2; exit 3"))
    assert ending(executor) == Failed(
        {
            "code": "ERR_STEP_FAILED",
            "message": "step `s` exited with code 3",
            "details": {"exit_code": 3, "stderr_tail": "why"},
        }
    )


def test_what_is_no_fault_of_the_step_is_not_its_failure(executor, settings, tmp_path):
    settings.runs_dir.parent.write_text("in the way")
    executor.start(command(tmp_path, "true"))
    broken = ending(executor)
    assert isinstance(broken, Broken)
    assert isinstance(broken.error, StoreUnavailable)


def test_a_process_that_cannot_see_exit_codes_starts_nothing(executor, tmp_path):
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        executor.start(command(tmp_path, "touch began"))
        broken = ending(executor)
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert isinstance(broken, Broken)
    assert "SIGCHLD" in str(broken.error)
    assert not (tmp_path / "began").exists()


def test_an_exit_status_that_other_code_took_is_lost_and_never_a_success():
    process = subprocess.Popen(["sh", "-c", "exit 3"], start_new_session=True)
    os.waitpid(process.pid, 0)
    group = ProcessGroup(process, 1.0)
    with pytest.raises(OutcomeLost):
        group.await_leader()
    group.reap()


FAMILY = """
exec 3>line
(sleep 1000; echo never) &
sh -c 'sh -c "echo up >&3; exec sleep 1000"; echo never' &
echo partial
wait
"""


def test_a_timeout_ends_the_whole_group_and_keeps_what_was_printed(executor, settings, tmp_path, line):
    executor.start(command(tmp_path, FAMILY, timeout_seconds=1.5))
    assert line.read() == b"up\n"
    assert line.is_held
    unseen = ending(executor)
    assert isinstance(unseen, Unseen)
    assert unseen.cause == "timeout"
    assert unseen.error["code"] == "ERR_TIMEOUT"
    assert not line.is_held
    assert output_paths(settings.runs_dir, RUN, StepKey("s"), 1)[0].read_text() == "partial\n"


def test_a_stop_ends_the_whole_group(executor, tmp_path, line):
    executor.start(command(tmp_path, FAMILY))
    assert line.read() == b"up\n"
    executor.stop(StepKey("s"))
    unseen = ending(executor)
    assert isinstance(unseen, Unseen)
    assert unseen.cause == "stopped"
    assert not line.is_held


@pytest.mark.parametrize(
    "text",
    [
        "exec 3>line; trap '' TERM; echo up >&3; sleep 1000",
        "exec 3>line; sh -c \"trap '' TERM; echo up >&3; sleep 1000\" & exec sleep 1000",
    ],
    ids=["itself", "a child that outlives it"],
)
def test_what_does_not_heed_the_request_is_killed_after_the_grace(settings, tmp_path, line, text):
    executor = ThreadExecutor(make_perform(replace(settings, grace_seconds=0.2)), lambda run_id, attempts: None)
    executor.start(command(tmp_path, text))
    assert line.read() == b"up\n"
    executor.stop(StepKey("s"))
    assert isinstance(ending(executor), Unseen)
    assert not line.is_held


TIDY = """
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
os.write(3, str(os.getpid()).encode())
signal.sigwait([signal.SIGTERM])
os.write(3, b"tidy")
"""


def tidy_command(tmp_path):
    (tmp_path / "tidy.py").write_text(TIDY)
    return command(tmp_path, f"exec 3>line; exec '{sys.executable}' tidy.py")


def test_a_command_may_tidy_up_within_the_grace_and_its_success_does_not_count(executor, tmp_path, line):
    executor.start(tidy_command(tmp_path))
    assert line.read().isdigit()
    executor.stop(StepKey("s"))
    assert isinstance(ending(executor), Unseen)
    assert line.read() == b"tidy"


def test_a_suspended_command_hears_the_request_too(executor, tmp_path, line):
    executor.start(tidy_command(tmp_path))
    os.kill(int(line.read()), signal.SIGSTOP)
    executor.stop(StepKey("s"))
    assert isinstance(ending(executor), Unseen)
    assert line.read() == b"tidy"


def test_a_stop_as_soon_as_it_began_ends_it(executor, tmp_path):
    for key in ("a", "b", "c", "d"):
        executor.start(command(tmp_path, "sleep 1000", key=key))
        executor.stop(StepKey(key))
    assert {type(one) for one in endings(executor, 4).values()} == {Unseen}


def test_two_commands_go_on_beside_each_other(executor, tmp_path):
    os.mkfifo(tmp_path / "there")
    os.mkfifo(tmp_path / "back")
    executor.start(command(tmp_path, "echo ping > there; read answer < back", key="a"))
    executor.start(command(tmp_path, "read question < there; echo pong > back", key="b"))
    assert {type(one) for one in endings(executor, 2).values()} == {Succeeded}


def test_a_timeout_of_one_leaves_the_other_alone(executor, tmp_path, line):
    os.mkfifo(tmp_path / "go")
    executor.start(command(tmp_path, "read go < go", key="patient"))
    executor.start(command(tmp_path, "sleep 1000", key="slow", timeout_seconds=0.05))
    assert list(endings(executor, 1)) == ["slow"]
    (tmp_path / "go").write_text("go\n")
    assert isinstance(ending(executor), Succeeded)


# -- waiting ---------------------------------------------------------------------------------------


def test_wait_returns_without_anything_when_it_is_woken(executor, tmp_path, line):
    executor.start(command(tmp_path, "exec 3>line; echo up >&3; sleep 1000"))
    assert line.read() == b"up\n"
    waker = threading.Thread(target=executor.wake)
    waker.start()
    assert executor.wait(30) == []
    assert line.is_held
    waker.join()
    executor.stop(StepKey("s"))
    assert isinstance(ending(executor), Unseen)


def test_wait_returns_when_its_time_is_over(executor):
    assert executor.wait(0.01) == []


# -- effects of this process -----------------------------------------------------------------------


def test_a_local_effect_gives_what_it_returns(executor, tmp_path):
    executor.start(local(tmp_path, lambda: {"a": (1, 2)}))
    assert ending(executor) == Succeeded(StepResult({"a": [1, 2]}, {}))


def test_a_local_effect_that_raises_fails_with_the_names_of_its_exception(executor, tmp_path):
    executor.start(local(tmp_path, lambda: {}["missing"]))
    failed = ending(executor)
    assert isinstance(failed, Failed)
    assert failed.error["message"] == "KeyError: 'missing'"
    assert failed.error["details"]["exceptions"][:2] == ["KeyError", "LookupError"]


def test_a_local_effect_that_returns_no_json_fails(executor, tmp_path):
    executor.start(local(tmp_path, object))
    failed = ending(executor)
    assert isinstance(failed, Failed)
    assert "`object`" in failed.error["message"]


def test_a_local_effect_that_has_to_end_is_given_up_and_its_late_end_is_not_heard(executor, tmp_path):
    release, left = threading.Event(), threading.Event()

    def patient():
        release.wait(30)
        left.set()
        return 1

    executor.start(local(tmp_path, patient, timeout_seconds=0.05))
    unseen = ending(executor)
    assert isinstance(unseen, Unseen)
    assert unseen.cause == "timeout"
    release.set()
    assert left.wait(30)
    executor.start(local(tmp_path, lambda: 2, key="next"))
    assert endings(executor, 1) == {"next": Succeeded(StepResult(2, {}))}


# -- effects on a loop -----------------------------------------------------------------------------


@pytest.fixture
def loop():
    own = OwnLoop()
    yield own
    own.close()


def awaited(tmp_path, loop, function, *, key="l", timeout_seconds=None):
    effect = LocalEffect(
        function=function, identity="test:awaited", policy=Policy(timeout_seconds=timeout_seconds), loop=loop
    )
    return Effect(call=effect, context=context(tmp_path, key))


def test_an_awaitable_is_awaited_by_its_loop_and_knows_its_context(executor, tmp_path, loop):
    async def work(context):
        return [context.key, context.attempt, threading.current_thread().name]

    executor.start(awaited(tmp_path, loop, work))
    assert ending(executor) == Succeeded(StepResult(["l", 1, "awaiting"], {}))


def test_an_awaitable_that_raises_or_gives_no_json_fails(executor, tmp_path, loop):
    async def fail(_context):
        raise LookupError("no")

    async def odd(_context):
        return object()

    executor.start(awaited(tmp_path, loop, fail, key="a"))
    executor.start(awaited(tmp_path, loop, odd, key="b"))
    found = endings(executor, 2)
    assert found["a"].error["message"] == "LookupError: no"
    assert "`object`" in found["b"].error["message"]


def test_an_awaitable_that_has_to_end_is_cancelled_and_ends_before_its_end_is_told(executor, tmp_path, loop):
    cleaned = []

    async def patient(_context):
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    executor.start(awaited(tmp_path, loop, patient, timeout_seconds=0.05))
    unseen = ending(executor)
    assert isinstance(unseen, Unseen)
    assert (unseen.cause, cleaned) == ("timeout", [True])


def test_a_loop_that_takes_nothing_any_more_is_no_fault_of_the_run(executor, tmp_path):
    class Closed:
        def run(self, work, ended):
            raise RuntimeError("the loop is closed")

    executor.start(awaited(tmp_path, Closed(), lambda _context: None))
    assert isinstance(ending(executor), Broken)
