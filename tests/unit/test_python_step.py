"""The step kind `python`: what a function is given, and what becomes of what it returns, raises and prints."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from checkpointflow.errors import StepFailedError, StepOutputError, UnsupportedError
from checkpointflow.kernel.effects import EffectStopped, Stop
from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.kernel.retry import RetryPolicy, next_try
from checkpointflow.kernel.run import Origin, StepCall, StepContext, StepResult
from checkpointflow.steps import make_perform, processes, python
from checkpointflow.steps.base import StepSettings, output_paths
from checkpointflow.testing.clock import FakeClock

RUN, KEY = RunId("01JZXY"), StepKey("check")


class Place:
    """A document's folder and a run's, with modules in them, and calls from there."""

    def __init__(self, folder: Path) -> None:
        self.document, self.cwd = folder / "document", folder / "cwd"
        self.document.mkdir()
        self.cwd.mkdir()
        environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "INHERITED": "yes"}
        self.settings = StepSettings(
            runs_dir=folder / "home" / "runs", sync=True, environment=environment, grace_seconds=0.2
        )
        self.stdout, self.stderr = output_paths(self.settings.runs_dir, RUN, KEY, 1)

    def call(
        self, call: str = "mod:f", args: Any = None, *, source: str | None = None, stop: Stop | None = None, **more: Any
    ) -> StepResult:
        """Call a function, by default `f` of a module with this source in the document's folder."""
        if source is not None:
            (self.document / "mod.py").write_text(source)
        origin = Origin(folder=str(self.document), **more)
        made = StepCall(kind="python", arguments={"call": call, "args": args or {}}, origin=origin)
        context = StepContext(run_id=RUN, key=KEY, attempt=1, idempotency_key="once", cwd=str(self.cwd))
        return make_perform(self.settings)(made, context, stop or Stop())

    def failure(self, *args: Any, error: type[Exception] = StepFailedError, **kwargs: Any) -> Any:
        with pytest.raises(error) as caught:
            self.call(*args, **kwargs)
        assert type(caught.value) is error
        return caught.value


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# -- the call --------------------------------------------------------------------------------------


def test_a_function_gets_its_arguments_by_name_and_what_it_returns_is_the_output(place: Place) -> None:
    source = "def f(a, *, b=2, **rest): return {'a': a, 'b': b, 'rest': [*map(ord, rest['x y'])], 'pair': (1, None)}"
    result = place.call(args={"a": ["ü", 1.5, True, None], "x y": "x\ud800"}, source=source)
    assert result.details == {}
    assert result.output == {"a": ["ü", 1.5, True, None], "b": 2, "rest": [120, 0xD800], "pair": [1, None]}


@pytest.mark.parametrize("value", [None, False, 0, "", [], {}, "text", 2**70])
def test_any_json_can_be_returned(place: Place, value: object) -> None:
    assert place.call(source=f"def f(): return {value!r}").output == value


def test_a_function_may_be_an_attribute_of_a_class_in_a_package(place: Place) -> None:
    (place.document / "pkg").mkdir()
    (place.document / "pkg" / "__init__.py").write_text("")
    (place.document / "pkg" / "inner.py").write_text(
        "class C:\n    @staticmethod\n    def f(): return __name__, __package__"
    )
    assert place.call("pkg.inner:C.f").output == ["pkg.inner", "pkg"]


def test_modules_are_found_beside_the_document_then_in_the_run_s_folder_then_where_python_looks(place: Place) -> None:
    (place.cwd / "mod.py").write_text("def f(): return 'cwd'")
    (place.cwd / "other.py").write_text("import mod\ndef f(): return mod.f()")
    assert place.call("mod:f").output == "cwd"
    assert place.call("other:f", source="def f(): return 'document'").output == "document"
    assert place.call("posixpath:basename", {"p": "a/b"}).output == "b"


def test_modules_of_ours_stand_in_nobody_s_way(place: Place) -> None:
    source = """
import sys, secrets
OURS = ('base', 'cli', 'python', 'masking', 'printed')
def f(): return [secrets.token_hex(1) != '', [m for m in sys.modules if 'checkpointflow' in m or m in OURS]]
"""
    assert place.call(source=source).output == [True, []]
    (place.document / "base.py").write_text("def f(): return 'mine'")
    assert place.call("base:f").output == "mine"


def test_a_function_sees_its_place_and_an_empty_stdin(place: Place) -> None:
    source = """
import os, sys
def f(): return [os.getcwd(), sys.stdin.read(), sys.argv, os.environ['INHERITED'], sys.executable,
                 *(os.environ['CPF_' + name] for name in ('RUN_ID', 'STEP_KEY', 'ATTEMPT', 'IDEMPOTENCY_KEY'))]
"""
    expected = [str(place.cwd), "", ["mod:f"], "yes", sys.executable, RUN, KEY, "1", "once"]
    assert place.call(source=source).output == expected


# -- what it prints --------------------------------------------------------------------------------


def test_prints_are_captured_apart_from_the_result(place: Place) -> None:
    source = """
import os, sys
def f():
    print('out ü'); print('err', file=sys.stderr); os.system('echo child'); os.write(1, b'raw\\n')
    return 'result'
"""
    assert place.call(source=source).output == "result"
    assert place.stdout.read_text() == "out ü\nchild\nraw\n"
    assert place.stderr.read_text() == "err\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("ending", ["return pid == 0", "assert pid"])
def test_a_fork_that_comes_back_from_the_function_too_has_nothing_to_say(place: Place, ending: str) -> None:
    source = f"import os\ndef f():\n    pid = os.fork()\n    pid and os.waitpid(pid, 0)\n    {ending}\n"
    assert place.call(source=source).output in (False, None)


@pytest.mark.parametrize("module", ["json", "io", "traceback"])
def test_a_module_of_the_author_s_wins_over_one_of_python_s_that_is_loaded_already(place: Place, module: str) -> None:
    (place.document / f"{module}.py").write_text("def mine(): return 'mine'")
    (place.cwd / "textwrap").mkdir()  # a mere folder is no module
    assert place.call(f"{module}:mine").output == "mine"
    assert place.call("textwrap:dedent", {"text": "  a"}).output == "a"


def test_what_a_function_leaves_running_neither_holds_it_up_nor_hears_of_the_result(place: Place) -> None:
    source = """
import os, subprocess, sys
def f():
    fds = "import os; print(sorted(int(n) for n in os.listdir('/proc/self/fd'))[3:-1] or 'only three')"
    subprocess.run([sys.executable, '-c', fds], close_fds=False)
    return subprocess.Popen(['sleep', '600']).pid
"""
    pid = place.call(source=source).output
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGKILL)
    assert place.stdout.read_text() == "only three\n"


# -- what goes wrong -------------------------------------------------------------------------------


def test_an_exception_is_told_with_its_classes_its_message_and_a_file_with_the_traceback(place: Place) -> None:
    source = """
class Busy(ConnectionError): pass
def f(page): return inner(page)
def inner(page): raise Busy(f'no {page} today')
"""
    error = place.failure(args={"page": "home"}, source=source)
    assert error.message == "step `check`: `mod:f` raised Busy: no home today"
    path = Path(error.details.pop("traceback_path"))
    names = ["Busy", "ConnectionError", "OSError", "Exception", "BaseException", "mod.Busy"]
    assert error.details == {"exceptions": names}
    assert path == place.stderr.with_name("check.1.traceback.txt")
    assert path.stat().st_mode & 0o777 == 0o600
    lines = path.read_text().splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "mod.Busy: no home today"
    assert [line.split(", ")[-1] for line in lines if line.startswith("  File ")] == ["in f", "in inner"]


@pytest.mark.parametrize(
    ("name", "retried"),
    [("Busy", True), ("ConnectionError", True), ("mod.Busy", True), ("ValueError", False), ("timeout", False)],
)
def test_retries_name_exceptions_by_any_of_their_classes(place: Place, name: str, retried: bool) -> None:
    error = place.failure(source="class Busy(ConnectionError): pass\ndef f(): raise Busy()")
    policy = RetryPolicy(max_attempts=2, on=(name,))
    record = {"code": error.code, "details": error.details}
    assert (next_try(policy, 1, record, FakeClock().now(), 0.5) is not None) is retried


@pytest.mark.parametrize(
    ("call", "source", "says"),
    [
        ("nowhere:f", "", "raised ModuleNotFoundError: No module named 'nowhere'"),
        ("mod:g", "", "raised AttributeError: module 'mod' has no attribute 'g'"),
        ("mod:f", "f = 3", "raised TypeError: 'int' object is not callable"),
        ("mod:f", "def f(x): pass", "raised TypeError: f() missing 1 required positional argument: 'x'"),
        ("mod:f", "def f(:", "raised SyntaxError: "),
        ("mod:f", "import sys\ndef f(): sys.exit(4)", "raised SystemExit: 4"),
        ("mod:f", "def f(): return f()", "raised RecursionError: "),
        ("mod:f", "class E(Exception):\n    def __str__(self): return 1/0\ndef f(): raise E", "cannot be had"),
    ],
)
def test_whatever_keeps_a_function_from_returning_is_the_step_s_failure(
    place: Place, call: str, source: str, says: str
) -> None:
    error = place.failure(call, source=source)
    assert says in error.message
    assert bool(error.hint) is ("ModuleNotFoundError" in says)


def test_a_long_message_is_cut(place: Place) -> None:
    assert len(place.failure(source="def f(): raise ValueError('x' * 100_000)").message) < 5000


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ("{1}", "`result` is of type `set`"),
        ("{'a': [0, {'b': object()}]}", "`result.a[1].b` is of type `object`"),
        ("{'a': {1: 2}}", "`result.a` has the key 1, and keys of JSON objects are text"),
        ("[float('nan')]", "`result[0]` is nan"),
        ("f", "`result` is of type `function`"),
        ("b'x'", "`result` is of type `bytes`"),
        ("loop", "is nested more than 200 levels deep"),
        ("10 ** 5000", "Exceeds the limit"),
        ("'\\ud800'", "half of a surrogate pair"),
        ("type('D', (dict,), {'items': lambda self: 1 / 0})(a=1)", "division by zero"),
    ],
)
def test_a_result_that_is_no_json_is_refused_naming_where(place: Place, value: str, where: str) -> None:
    source = f"loop = []\nloop.append(loop)\ndef f(): return {value}"
    error = place.failure(source=source, error=StepOutputError)
    assert error.message.startswith("`mod:f` of step `check` returned what ")
    assert where in error.message


def test_a_result_of_more_than_8_mib_is_refused(place: Place) -> None:
    error = place.failure(source="def f(): return 'x' * (8 * 1024 ** 2)", error=StepOutputError)
    assert error.message == "`mod:f` of step `check` returned more than 8 MiB; write to a file and return its name"


@pytest.mark.parametrize(
    ("source", "ending"),
    [
        ("import os\ndef f(): os._exit(7)", "exited with code 7 before the function had returned"),
        ("import os\ndef f(): os._exit(0)", "exited with code 0 before the function had returned"),
        ("import os\ndef f(): os.kill(os.getpid(), 9)", "was ended by signal SIGKILL (9) before the function"),
        ("import atexit, os\ndef f(): atexit.register(os._exit, 5)", "exited with code 5 after the function"),
    ],
)
def test_a_process_that_ends_otherwise_than_by_returning_fails_the_step(place: Place, source: str, ending: str) -> None:
    error = place.failure(source=source)
    assert ending in error.message
    assert set(error.details) == {"exit_code", "stderr_tail"}


def test_a_stop_ends_the_function_and_all_that_it_started(place: Place) -> None:
    stop = Stop()
    told = place.cwd / "told"
    os.mkfifo(told)
    threading.Thread(target=lambda: (told.read_text(), stop.ask("timeout"))).start()
    source = """
import subprocess, time
def f():
    child = subprocess.Popen(['sleep', '600'])
    print('begun', child.pid)
    open('told', 'w').write('x')
    time.sleep(600)
"""
    with pytest.raises(EffectStopped):
        place.call(source=source, stop=stop)
    word, pid = place.stdout.read_text().split()
    assert word == "begun"
    assert int(pid) not in {running for running, _, _ in processes.running()}


def test_a_run_s_folder_that_is_gone_is_the_step_s_failure(place: Place) -> None:
    place.cwd.rmdir()
    assert "is not there; create it" in place.failure(source="def f(): pass").message


def test_a_process_without_an_interpreter_cannot_call(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python.sys, "executable", "")
    assert place.failure(source="", error=UnsupportedError).exit_code == 80
    monkeypatch.setattr(python.sys, "executable", "/nowhere/python")
    assert "could not start Python" in place.failure(source="", error=UnsupportedError).message


# -- secrets ---------------------------------------------------------------------------------------


def secret_call(place: Place, source: str, secret: str = "open-sesame") -> StepResult:
    place.settings.environment["TOKEN"] = secret  # type: ignore[index]
    (place.document / "mod.py").write_text(source)
    arguments = {"call": "mod:f", "args": {"t": "${secrets.token}", "look_alike": "${secrets.token}"}}
    mark = {"at": ["args", "t"], "offset": 0, "name": "token"}
    made = StepCall(
        kind="python",
        arguments={**arguments, "secrets": [mark]},
        origin=Origin(folder=str(place.document), secrets={"token": {"env": "TOKEN"}}, withheld=frozenset({"TOKEN"})),
    )
    context = StepContext(run_id=RUN, key=KEY, attempt=1, idempotency_key="once", cwd=str(place.cwd))
    return make_perform(place.settings)(made, context, Stop())


def test_a_function_gets_its_secret_as_an_argument_alone_and_what_it_prints_is_masked(place: Place) -> None:
    source = """
import os
def f(t, look_alike):
    print('got', t)
    seen = [open(f'/proc/self/{name}').read() for name in ('cmdline', 'environ')]
    return [len(t), look_alike, any(t in text for text in seen)]
"""
    assert secret_call(place, source).output == [11, "${secrets.token}", False]
    assert place.stdout.read_text() == "got ***\n"


def test_a_secret_shows_in_no_message_and_no_traceback(place: Place) -> None:
    source = "def f(t, look_alike): raise ValueError(f'bad {t}')"
    with pytest.raises(StepFailedError) as caught:
        secret_call(place, source)
    assert caught.value.message == "step `check`: `mod:f` raised ValueError: bad ***"
    trace = Path(str(caught.value.details["traceback_path"])).read_text()
    assert "ValueError: bad ***" in trace
    assert "open-sesame" not in trace


def test_a_secret_in_a_result_fails_the_step(place: Place) -> None:
    with pytest.raises(StepOutputError, match="the output of step `check` holds the secret `token`"):
        secret_call(place, "def f(t, look_alike): return {'x': [f'<{t}>']}")


@pytest.mark.parametrize("before", [0, 3900, 3995, 65_000, 1024 * 1024 - 5])
def test_no_half_of_a_secret_is_left_where_texts_are_cut(place: Place, before: int) -> None:
    source = f"def f(t, look_alike): raise ValueError('x' * {before} + t + 'y' * 70_000)"
    with pytest.raises(StepFailedError) as caught:
        secret_call(place, source)
    trace = Path(str(caught.value.details["traceback_path"])).read_text().replace(str(place.document), "")
    assert not [part for part in ("open", "same", "esame") if part in caught.value.message + trace]
    with pytest.raises(StepOutputError) as refused:
        secret_call(place, f"def f(t, look_alike): return {{'x' * {before} + t: {{1}}}}")
    assert not [part for part in ("open", "same", "esame") if part in refused.value.message]


def test_no_half_of_a_secret_is_left_where_masking_made_a_huge_text_short(place: Place) -> None:
    secret = "0123456789" * 200
    with pytest.raises(StepFailedError) as caught:
        secret_call(place, "def f(t, look_alike): raise ValueError((t + '.') * 600)", secret)
    trace = Path(str(caught.value.details["traceback_path"])).read_text()
    assert "0123456" not in caught.value.message + trace
    assert trace.endswith("ValueError: (its text is too long to be shown here)\n")
    assert caught.value.message.endswith("***.***")


def test_an_exception_with_half_of_a_surrogate_pair_is_told(place: Place) -> None:
    error = place.failure(source="def f(): raise ValueError('a\\ud800b')")
    assert error.message.endswith("raised ValueError: a\\ud800b")
