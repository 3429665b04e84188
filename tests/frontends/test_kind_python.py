"""The promises of `python` in a running document: arguments, outputs, failures, and what is said when it is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkpointflow.errors import DocumentError
from checkpointflow.frontends.document.loader import load_text
from frontends.running import Running, document, run

MODULE = """
import os
class Busy(Exception): pass
def add(a, b=1): return {'sum': a + b}
def where(): return [__file__, os.getcwd()]
def busy():
    with open('log', 'a') as log: print(os.environ['CPF_ATTEMPT'], file=log)
    if os.environ['CPF_ATTEMPT'] != '2': raise Busy('not yet')
"""
FILES = {"mod.py": MODULE}


def ran(folder: Path, steps: str, run_input: object = None) -> Running:
    return run(folder, steps, run_input, files=FILES)  # type: ignore[arg-type]


def test_arguments_are_interpolated_deeply_and_the_result_is_the_output(tmp_path: Path) -> None:
    steps = """
- {id: a, kind: python, call: 'mod:add', args: {a: ['${inputs.n}', {x: 'n=${inputs.n}'}], b: ['${inputs.n + 1}']}}
- {id: b, kind: python, call: 'mod:add', args: {a: '${size(steps.a.outputs.sum)}'}}
- {id: e, kind: end, result: ['${steps.a.outputs}', '${steps.b.outputs}', '${steps.b.status}']}"""
    found = ran(tmp_path, steps, {"n": 3})
    assert found.result == [{"sum": [3, {"x": "n=3"}, 4]}, {"sum": 4}, "completed"]
    (first, _) = found.entries("step_started")
    assert first["arguments"] == {"call": "mod:add", "args": {"a": [3, {"x": "n=3"}], "b": [4]}}


def test_a_module_is_found_beside_the_document_and_works_in_the_folder_of_the_run(tmp_path: Path) -> None:
    found = ran(
        tmp_path, "- {id: a, kind: python, call: 'mod:where'}\n- {id: e, kind: end, result: '${steps.a.outputs}'}"
    )
    assert found.result == [str(found.folder / "mod.py"), str(found.folder)]


def test_the_document_s_folder_is_no_part_of_what_a_call_means(tmp_path: Path) -> None:
    digests = set()
    for name in ("one", "two"):
        found = ran(tmp_path / name, "- {id: a, kind: python, call: 'mod:add', args: {a: 1}}")
        digests |= {str(entry["digest"]) for entry in found.entries("step_started")}
    assert len(digests) == 1


def test_a_sub_workflow_s_modules_are_found_beside_it(tmp_path: Path) -> None:
    inner = document("- {id: a, kind: python, call: 'mod:where'}\n- {id: e, kind: end, result: '${steps.a.outputs}'}")
    steps = (
        "- {id: w, kind: workflow, workflow_ref: sub/inner.yaml}\n- {id: e, kind: end, result: '${steps.w.outputs}'}"
    )
    found = run(tmp_path, steps, files={"sub/inner.yaml": inner, "sub/mod.py": MODULE, "mod.py": "1/0"})
    assert found.result == [str(found.folder / "sub" / "mod.py"), str(found.folder)]


def test_an_exception_can_be_retried_by_name_and_is_known_to_what_follows(tmp_path: Path) -> None:
    steps = "- {id: a, kind: python, call: 'mod:busy', retry: {max_attempts: 3, backoff_seconds: 0, on: [%s]}}"
    assert ran(tmp_path / "1", steps % "Busy").log == ["1", "2"]
    failed = ran(tmp_path / "2", steps % "ValueError")
    assert failed.log == ["1"]
    assert failed.error["message"] == "step `a`: `mod:busy` raised Busy: not yet"
    caught = f"{steps % 'ValueError'}".replace("busy'", "busy', on_error: {next: e}")
    shown = ran(tmp_path / "3", caught + "\n- {id: e, kind: end, result: '${steps.a.error.details.exceptions[0]}'}")
    assert shown.result == "Busy"


def test_the_result_is_held_against_the_outputs_schema(tmp_path: Path) -> None:
    step = "- {id: a, kind: python, call: 'mod:add', args: {a: 1}, outputs: {properties: {sum: {type: string}}}}"
    failed = ran(tmp_path, step)
    assert failed.error["code"] == "ERR_STEP_OUTPUT_INVALID"
    assert "`outputs.sum` must be text" in str(failed.error["message"])


def test_a_warning_says_that_the_module_is_not_pinned(tmp_path: Path) -> None:
    text = document("- {id: a, kind: python, call: 'pkg.mod:add'}")
    (problem,) = load_text(text, source_path=None, cwd=tmp_path).problems
    assert problem["severity"] == "warning"
    assert problem["path"] == "workflow.steps[0].call"
    assert problem["message"] == (
        "the code of `pkg.mod` is not kept with the run: it counts as it is when the step is performed"
    )


@pytest.mark.parametrize("call", ["mod", "mod:", ":f", "mod.py:f", "mod:f()", "${inputs.x}:f", "./mod:f", "mod:f g"])
def test_a_call_that_names_no_function_is_refused(tmp_path: Path, call: str) -> None:
    if call == "mod.py:f":  # the module `py` of a package `mod`, for all that is known
        load_text(document(f"- {{id: a, kind: python, call: '{call}'}}"), source_path=None, cwd=tmp_path)
        return
    with pytest.raises(DocumentError) as caught:
        load_text(document(f"- {{id: a, kind: python, call: '{call}'}}"), source_path=None, cwd=tmp_path)
    assert "a function, as `package.module:function`" in str(caught.value.problems[0])
