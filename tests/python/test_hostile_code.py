"""Code of workflows that does what code should not: the run fails, or is left to others; nothing hangs or lies."""

from __future__ import annotations

import json
import sys

import pytest

from checkpointflow import Checkpoint, workflow
from checkpointflow.errors import StoreUnavailable
from cli.program import Program

PROJECT = """\
from checkpointflow import workflow
from helpers import NAME


@workflow
async def release(ctx):
    await ctx.wait_for_event("go")
    return await ctx.step("deploy", lambda: NAME)
"""
LEAVING = """\
import sys
from checkpointflow import workflow


@workflow
async def leave(ctx):
    await ctx.wait_for_event("go")
    sys.exit(0)
"""
SWALLOWING = """\
from checkpointflow import workflow


@workflow
async def swallow(ctx):
    while True:
        try:
            return await ctx.wait_for_event("go")
        except BaseException:
            pass
"""


@pytest.fixture
def cpf(tmp_path):
    (tmp_path / "cwd").mkdir()
    return Program(home=tmp_path / "home", cwd=tmp_path / "cwd")


def started(cpf, target, run_id):
    asked = cpf("run", "-f", target, "--run-id", run_id)
    assert asked.exit_code == 40, asked.stdout + asked.stderr
    assert cpf("send", "--run-id", run_id, "--event", "go", "--input", "{}").exit_code == 0


def test_each_run_is_driven_by_the_code_of_its_own_folder(cpf):
    for name in ("one", "two"):
        (cpf.cwd / name).mkdir()
        cpf.write(f"{name}/flow.py", PROJECT)
        cpf.write(f"{name}/helpers.py", f"NAME = {name!r}\n")
        started(cpf, f"{name}/flow.py:release", f"release-{name}")
    driven = cpf("tick").envelope["driven_runs"]
    assert {one["run_id"]: one["status"] for one in driven} == {
        "release-one": "completed",
        "release-two": "completed",
    }
    for name in ("one", "two"):
        assert cpf("status", "--run-id", f"release-{name}").envelope["result"] == name


def test_a_workflow_in_a_package_is_driven_with_its_package(cpf):
    (cpf.cwd / "shop").mkdir()
    cpf.write("shop/__init__.py", PROJECT.replace("from helpers", "from .names"))
    cpf.write("shop/names.py", "NAME = 'the shop'\n")
    started(cpf, "shop:release", "packed-1")
    assert cpf("tick").envelope["driven_runs"][0]["status"] == "completed"
    assert cpf("status", "--run-id", "packed-1").envelope["result"] == "the shop"


@pytest.mark.parametrize("name", ["email", "queue", "calendar"])
def test_a_file_may_be_named_as_a_module_of_python(cpf, name):
    (cpf.cwd / "flows").mkdir()  # not where `python -m` looks for every module
    cpf.write(f"flows/{name}.py", PROJECT.replace("from helpers import NAME", "NAME = 'mine'"))
    started(cpf, f"flows/{name}.py:release", "named-1")
    assert cpf("resume", "--run-id", "named-1").envelope["result"] == "mine"


def test_code_that_leaves_the_process_fails_its_run_and_others_go_on(cpf):
    cpf.write("leaving.py", LEAVING)
    cpf.write("helpers.py", "NAME = 'here'\n")
    cpf.write("flow.py", PROJECT)
    started(cpf, "leaving.py:leave", "a-leaves")
    started(cpf, "flow.py:release", "b-stays")
    ticked = cpf("tick")
    assert ticked.exit_code == 0
    assert {one["run_id"]: one["status"] for one in ticked.envelope["driven_runs"]} == {
        "a-leaves": "failed",
        "b-stays": "completed",
    }
    assert "SystemExit" in cpf("status", "--run-id", "a-leaves").envelope["error"]["message"]


def test_a_module_that_leaves_the_process_is_refused(cpf):
    cpf.write("gone.py", "import sys\nsys.exit(0)\n")
    refused = cpf("run", "-f", "gone.py:anything")
    assert (refused.exit_code, refused.envelope["problems"][0]["line"]) == (10, 2)


def test_code_that_swallows_everything_is_left_all_the_same(cpf):
    cpf.write("swallowing.py", SWALLOWING)
    started(cpf, "swallowing.py:swallow", "swallow-1")
    assert cpf("resume", "--run-id", "swallow-1").envelope["result"] == {}


def test_code_that_has_moved_is_named_with_the_edited_definition(cpf):
    cpf.write("helpers.py", "NAME = 'moved'\n")
    cpf.write("old.py", PROJECT)
    assert cpf("run", "-f", "old.py:release", "--run-id", "moved-1").exit_code == 40
    (cpf.cwd / "old.py").rename(cpf.cwd / "new.py")
    assert cpf("resume", "--run-id", "moved-1", "--with", "new.py:release").exit_code == 40
    done = cpf("resume", "--run-id", "moved-1", "--event", "go", "--input", "{}")
    assert done.envelope["result"] == "moved"


def test_an_exception_that_cannot_be_shown_is_a_failure_of_its_step():
    class SilentError(Exception):
        def __str__(self):
            raise ValueError("no")

    def fail():
        raise SilentError

    @workflow
    async def failing(ctx):
        await ctx.step("fail", fail)

    outcome = failing.run_sync()
    assert outcome.status == "failed"
    assert outcome.error["message"].startswith("SilentError: (")


def test_a_callback_that_gives_a_coroutine_keeps_nothing_and_says_so():
    async def keep(_entries, _position):
        """Is never awaited."""

    @workflow
    async def short(ctx):
        return await ctx.step("one", lambda: 1)

    with pytest.raises(StoreUnavailable, match="async"):
        short.run_sync({}, checkpoint=Checkpoint.new(on_commit=lambda *words: keep(*words)))


@pytest.mark.parametrize("schema", [{"type": "bogus"}, {"$ref": "http://localhost/x"}, {"type": ["string", "odd"]}])
def test_a_schema_that_no_answer_can_be_checked_against_fails_the_run(schema):
    @workflow
    async def asking(ctx):
        await ctx.wait_for_event("e", schema=schema)

    outcome = asking.run_sync()
    assert (outcome.status, outcome.error["code"]) == ("failed", "ERR_WORKFLOW_CODE")


def test_a_sleep_of_something_that_is_no_time_fails_the_run():
    @workflow
    async def sleeping(ctx):
        await ctx.sleep("1")

    outcome = sleeping.run_sync()
    assert (outcome.status, outcome.error["code"]) == ("failed", "ERR_WORKFLOW_CODE")
    assert json.dumps(outcome.error)
    assert sys.exc_info() == (None, None, None)


def test_what_a_process_of_a_step_prints_is_not_in_the_answer(cpf):
    cpf.write(
        "printing.py",
        "import os, subprocess, sys\nfrom checkpointflow import workflow\n\n\n"
        "def prints():\n"
        "    subprocess.run([sys.executable, '-c', 'print(1)'])\n"
        "    os.write(1, b'2\\n')\n"
        "    print(3)\n\n\n"
        "@workflow\nasync def loud(ctx):\n    return await ctx.step('prints', prints)\n",
    )
    done = cpf("run", "-f", "printing.py:loud")
    assert done.envelope["status"] == "completed"
    assert {"1", "2", "3"} <= {*done.stderr.split()}
