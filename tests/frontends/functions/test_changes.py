"""Functions that change between two drives: what they ask for is compared, how they are written is not."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checkpointflow import Checkpoint, WorkflowContext, workflow
from checkpointflow.errors import (
    DefinitionChangedError,
    DocumentError,
    FileMissingError,
    NondeterminismError,
    UnsupportedError,
    UsageError,
)
from checkpointflow.frontends.functions.definition import FunctionDefinition
from checkpointflow.frontends.functions.loading import load_function, open_function
from functions.replaying import gone_on

HEAD = "from checkpointflow import task, workflow, WorkflowContext\ndone = []\n"
BEGUN = HEAD + textwrap.dedent('''
    def fetch(topic: str) -> str:
        return topic.upper()

    @workflow
    async def flow(ctx: WorkflowContext, topic: str) -> str:
        """The code with which the run began."""
        found = await ctx.task(fetch, topic)
        await ctx.sleep(3600)
        await ctx.wait_for_event("go")
        await ctx.parallel(ctx.task(fetch, "b"))
        return found
''')


@pytest.fixture(autouse=True)
def _modules() -> Iterator[None]:
    before, path = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - before:
        if not name.startswith("checkpointflow"):
            del sys.modules[name]
    sys.path[:] = path


def begun(folder: Path) -> bytes:
    cp = Checkpoint.new()
    write(folder, "flow.py", BEGUN).run_sync("owls", checkpoint=cp)
    return cp.dump()


def write(folder: Path, name: str, text: str) -> Any:
    """Write a module and return its workflow; runnable, as the decorator made it."""
    (folder / name).write_text(text)
    for module in [one for one, found in sys.modules.items() if getattr(found, "__file__", None) == str(folder / name)]:
        del sys.modules[module]
    return load_function(name, cwd=str(folder))


CHANGES = [
    ("ctx.task(fetch, topic)", "ctx.task(fetch, topic + '!')", {"recorded": ["owls"], "asked": ["owls!"]}),
    (
        "ctx.task(fetch, topic)",
        "ctx.wait_for_event('x', key='fetch')",
        {"recorded": "a step of kind `local`", "asked": "a wait for `x`"},
    ),
    (
        "ctx.sleep(3600)",
        "ctx.wait_for_event('x', key='sleep')",
        {"recorded": "a sleep", "asked": "a wait for `x`"},
    ),
    (
        "ctx.sleep(3600)",
        "ctx.parallel(ctx.sleep(1, key='other'), key='sleep')",
        {"recorded": "a sleep", "asked": "the `parallel`"},
    ),
]


@pytest.mark.parametrize(("old", "new", "told"), CHANGES)
def test_a_changed_function_is_noticed_by_what_it_asks_for(
    old: str, new: str, told: dict[str, Any], tmp_path: Path
) -> None:
    kept = begun(tmp_path)
    changed = write(tmp_path, "flow.py", BEGUN.replace(old, new))
    with pytest.raises(NondeterminismError) as noticed:
        gone_on(changed, kept)
    details = dict(noticed.value.details)
    assert details.pop("key") in ("fetch", "sleep")
    assert details == told
    assert len(json.loads(kept)["entries"]) == 5
    assert gone_on(write(tmp_path, "flow.py", BEGUN), kept).status == "waiting"


def test_an_error_that_the_workflow_swallows_ends_the_drive_all_the_same(tmp_path: Path) -> None:
    kept = begun(tmp_path)
    swallowing = BEGUN.replace(
        "found = await ctx.task(fetch, topic)",
        "found = ''\n    try:\n        await ctx.task(fetch, 'other')\n    except Exception:\n        pass",
    )
    with pytest.raises(NondeterminismError):
        gone_on(write(tmp_path, "flow.py", swallowing), kept)


GOES_ON = {
    "reformatted": BEGUN.replace("ctx.task(fetch, topic)", "ctx.task(\n        fetch,\n        topic,\n    )"),
    "moved down": BEGUN.replace("@workflow\n", "def other():\n    return 1\n\n\n@workflow\n"),
    "task rewritten": BEGUN.replace("return topic.upper()", "return 'something else'"),
    "a policy": BEGUN.replace("def fetch", "@task(timeout_seconds=5)\ndef fetch"),
    "an optional parameter": BEGUN.replace('topic: str) -> str:\n    "', 'topic: str, more: int = 1) -> str:\n    "'),
    "more at the end": BEGUN.replace("    return found", "    await ctx.task(fetch, 'c')\n    return found"),
}


@pytest.mark.parametrize("how", GOES_ON)
def test_code_that_asks_for_the_same_goes_on(how: str, tmp_path: Path) -> None:
    kept = begun(tmp_path)
    assert GOES_ON[how] != BEGUN
    changed = write(tmp_path, "flow.py", GOES_ON[how])
    assert gone_on(changed, kept).status == "waiting"


def test_code_that_has_moved_to_another_module_goes_on(tmp_path: Path) -> None:
    kept = begun(tmp_path)
    moved = write(tmp_path, "elsewhere.py", BEGUN.replace("async def flow", "async def renamed").replace(
        "@workflow", "@workflow(name='flow')"
    ))  # fmt: skip
    assert gone_on(moved, kept).status == "waiting"


def test_a_step_that_the_code_asks_for_no_more_is_told(tmp_path: Path) -> None:
    kept = begun(tmp_path)
    shorter = write(tmp_path, "flow.py", BEGUN.replace("found = await ctx.task(fetch, topic)", "found = ''"))
    (warning,) = gone_on(shorter, kept).warnings
    assert warning == "recorded but not asked for any more: `fetch`"


def pinned(version: str | None) -> Any:
    @workflow(name="pinned", version=version)
    async def flow(ctx: WorkflowContext) -> Any:
        return await ctx.wait_for_event("go")

    return flow


def test_a_version_pins_the_runs_that_code_may_go_on_with() -> None:
    cp = Checkpoint.new()
    pinned("1").run_sync({}, checkpoint=cp)
    for other in ("2", None):
        with pytest.raises(DefinitionChangedError, match="another definition of `pinned`"):
            pinned(other).run_sync(checkpoint=cp, responses={"go": 1})
    assert pinned("1").run_sync(checkpoint=cp, responses={"go": 1}).result == 1


def test_a_checkpoint_of_another_workflow_is_refused() -> None:
    cp = Checkpoint.new()
    pinned("1").run_sync({}, checkpoint=cp)

    @workflow
    async def other(ctx: WorkflowContext) -> None: ...

    with pytest.raises(ValueError, match=r"is one of workflow `pinned`, not of `other`; .*drop `checkpoint`"):
        other.run_sync(checkpoint=cp)


# -- finding code ------------------------------------------------------------------------------------


def test_code_is_found_by_its_file_and_name(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(BEGUN)
    (tmp_path / "two.py").write_text(
        BEGUN + BEGUN.replace("flow(", "other(").replace("@workflow", "@workflow(name='an id')")
    )
    (tmp_path / "none.py").write_text("x = 1\n")
    (tmp_path / "broken.py").write_text("x = 1\nraise ValueError('no')\n")
    cwd = str(tmp_path)
    assert load_function("one.py", cwd=cwd).id == "flow"
    assert load_function("one.py:flow", cwd=cwd).id == "flow"
    assert load_function("two.py:an id".replace("an id", "other"), cwd=cwd).id == "an id"
    with pytest.raises(UsageError, match=r"several workflows; name one, as `two.py:"):
        load_function("two.py", cwd=cwd)
    with pytest.raises(UsageError, match="holds no workflow"):
        load_function("none.py", cwd=cwd)
    with pytest.raises(UsageError, match=r"`one\.py` has no workflow `flwo`") as refused:
        load_function("one.py:flwo", cwd=cwd)
    assert "flow" in str(refused.value.hint)
    with pytest.raises(FileMissingError):
        load_function("missing.py:flow", cwd=cwd)
    with pytest.raises(FileMissingError):
        load_function("no_such_module_here:flow", cwd=cwd)
    with pytest.raises(DocumentError, match="cannot be imported: ValueError: no") as broken:
        load_function("broken.py:flow", cwd=cwd)
    assert broken.value.problems[0]["line"] == 2


def test_code_is_found_by_its_module_in_the_working_folder(tmp_path: Path) -> None:
    package = tmp_path / "my_flows_of_changes"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "first.py").write_text(BEGUN)
    assert load_function("my_flows_of_changes.first:flow", cwd=str(tmp_path)).id == "flow"


def test_the_code_of_a_run_is_found_where_it_was_started_from(tmp_path: Path) -> None:
    flow: FunctionDefinition = write(tmp_path, "flow.py", BEGUN)
    stored, path = flow.stored, flow.path
    assert open_function(stored, path=path) is flow
    fresh = write(tmp_path, "flow.py", BEGUN)
    assert open_function(stored, path=path) is fresh
    for change, told in [
        ({"version": 99}, "of a form that this version does not know"),
        ({"attribute": "gone"}, "`gone` of .* cannot be had here: AttributeError"),
        ({"workflow": "renamed"}, "is no workflow `renamed` any more"),
        ({"pinned": "7"}, "was started with version 7, and the code here is without a version"),
    ]:
        with pytest.raises(UnsupportedError, match=told):
            open_function({**stored, **change}, path=path)
    with pytest.raises(UnsupportedError, match="cannot be had here: ModuleNotFoundError"):
        open_function({**stored, "module": "nowhere_at_all"}, path=str(tmp_path / "gone.py"))


def test_two_workflows_of_one_name_are_kept_apart_by_where_they_stand(tmp_path: Path) -> None:
    one = write(tmp_path, "first_of_two.py", BEGUN)
    two = write(tmp_path, "second_of_two.py", BEGUN)
    assert one.digest != two.digest
    assert open_function(one.stored, path=one.path) is one
    assert open_function(two.stored, path=two.path) is two


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: workflow(lambda ctx: None), "is no workflow: write it as `async def"),  # type: ignore[arg-type,return-value]
        (lambda: workflow(_no_context), "takes no context"),  # type: ignore[arg-type]
        (lambda: workflow(_star), "the input is an object of parameters by name"),
        (lambda: workflow(Methods.run), "`Methods.run` is a method; write the workflow as a function of its own"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_a_workflow_is_refused_by_the_decorator(make: Any, told: str) -> None:
    with pytest.raises(TypeError, match=told):
        make()


async def _no_context() -> None: ...


class Methods:
    async def run(self, ctx: WorkflowContext) -> None: ...


async def _star(ctx: WorkflowContext, *rest: int) -> None: ...
