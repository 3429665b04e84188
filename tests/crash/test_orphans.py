"""Commands left behind by a dead process: those of the attempts in question are ended, no others."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.steps.orphans import end_orphans

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="orphans are found in /proc")

RUN = RunId("01JZXY0000ORPHANS")
KEY = StepKey('fan["é"]/s#2')

HOLDER = """
import sys
from pathlib import Path
from checkpointflow.kernel.effects import Effect
from checkpointflow.kernel.threads import ThreadExecutor
from checkpointflow.kernel.run import StepContext
from checkpointflow.kernel.run import StepCall
from checkpointflow.steps import make_perform
from checkpointflow.steps.base import StepSettings
home, path, run_id, key, attempt, command = sys.argv[1:]
settings = StepSettings(runs_dir=Path(home) / "runs", sync=False, environment={"PATH": path})
executor = ThreadExecutor(make_perform(settings), lambda run_id, attempts: None)
context = StepContext(run_id=run_id, key=key, attempt=int(attempt), idempotency_key="k", cwd=home)
executor.start(Effect(call=StepCall(kind="cli", arguments={"command": command}), context=context))
executor.wait(None)
"""


class Orphan:
    """A command whose parent was killed; it holds a named pipe open for as long as any of it runs."""

    def __init__(self, home, command, attempt=3):
        pipe = home / "pipe"
        os.mkfifo(pipe)
        self._fd = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)
        arguments = [sys.executable, "-c", HOLDER, str(home), os.environ["PATH"], RUN, KEY, str(attempt), command]
        holder = subprocess.Popen(arguments)
        assert self._poll.poll(30_000), "the command did not begin within 30 seconds"
        self.pid = int(os.read(self._fd, 100))
        holder.kill()
        holder.wait()

    @property
    def lives(self):
        return not any(event & select.POLLHUP for _, event in self._poll.poll(0))

    def close(self):
        if self.lives:
            os.killpg(self.pid, signal.SIGKILL)
        os.close(self._fd)


@pytest.fixture
def leave(tmp_path):
    left = []

    def leave_behind(command="exec 3>pipe; echo $$ >&3; sleep 1000"):
        left.append(Orphan(tmp_path, command))
        return left[-1]

    yield leave_behind
    for orphan in left:
        orphan.close()


def test_a_command_left_by_a_dead_process_is_ended_with_all_it_started(leave, tmp_path):
    orphan = leave("exec 3>pipe; env -i sleep 1000 & (sleep 1000 & wait) & echo $$ >&3; wait")
    assert orphan.lives
    end_orphans(RUN, {StepKey("other"): 1, KEY: 3}, home=str(tmp_path))
    assert not orphan.lives


def test_a_child_in_a_session_of_its_own_without_our_environment_is_ended_too(leave, tmp_path):
    inner = "exec 3>pipe; echo $$ >&3; sleep 1000 & wait"
    orphan = leave(f"env -i PATH=$PATH setsid sh -c '{inner}' & wait")
    assert orphan.lives
    end_orphans(RUN, {KEY: 3}, home=str(tmp_path))
    assert not orphan.lives


def test_one_that_does_not_heed_the_request_is_killed(leave, tmp_path):
    orphan = leave("trap '' TERM; exec 3>pipe; echo $$ >&3; sleep 1000")
    end_orphans(RUN, {KEY: 3}, home=str(tmp_path), grace_seconds=0.1)
    assert not orphan.lives


def test_the_folder_may_be_named_through_a_link(leave, tmp_path, tmp_path_factory):
    orphan = leave()
    link = tmp_path_factory.mktemp("links") / "home"
    link.symlink_to(tmp_path)
    end_orphans(RUN, {KEY: 3}, home=str(link))
    assert not orphan.lives


def test_others_are_left_alone(leave, tmp_path):
    orphan = leave()
    home = str(tmp_path)
    end_orphans(RUN, {KEY: 3}, home=home + "2")  # another state folder
    end_orphans(RUN, {KEY: 2}, home=home)  # another attempt
    end_orphans(RUN, {StepKey("s#2"): 3}, home=home)  # another step: this one has completed
    end_orphans(RunId(RUN + "2"), {KEY: 3}, home=home)  # another run
    end_orphans(RUN, {}, home=home)
    assert orphan.lives


ITSELF = """
import sys
from checkpointflow.steps.orphans import end_orphans
end_orphans(sys.argv[1], {sys.argv[2]: 3}, home=sys.argv[3], grace_seconds=0.1)
print("alive")
"""


def test_never_the_process_itself_or_one_that_it_descends_from(leave, tmp_path):
    orphan = leave()
    marks = {"CPF_HOME": str(tmp_path), "CPF_RUN_ID": RUN, "CPF_STEP_KEY": KEY, "CPF_ATTEMPT": "3"}
    arguments = [sys.executable, "-c", ITSELF, RUN, KEY, str(tmp_path)]
    script = '"$@"; echo parent alive'  # another group, so that only descent can spare the parent
    inner = [sys.executable, "-c", "import os, sys; os.setpgid(0, 0); os.execv(sys.argv[1], sys.argv[1:])", *arguments]
    printed = subprocess.run(
        ["sh", "-c", script, "sh", *inner],
        env={**os.environ, **marks},
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    assert printed.stdout.splitlines() == ["alive", "parent alive"], printed.stderr
    assert not orphan.lives
