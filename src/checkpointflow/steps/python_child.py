"""The child process of a `python` step: a call from stdin, its outcome into a file; standard library only.

It runs as a file of its own, without the package around it, so that nothing of ours stands in the way of the
author's modules.
"""

from __future__ import annotations

import io
import json
import math
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import Any

LARGEST = 8 * 1024 * 1024
"""How many bytes of an outcome are taken; the parent is given one more, so that it can tell."""
_DEEPEST = 200
LONGEST = 1024 * 1024
"""Texts of so many characters were cut off here; the parent, which masks secrets, sees to the half of one."""


class _NoJson(Exception):  # noqa: N818 - a finding, told to the parent
    """What was returned is no JSON; the text says where."""


def main() -> None:
    """Read the call, perform it, and write down what came of it: `value`, `misfit` or `exception`."""
    request = json.loads(sys.stdin.buffer.read())
    answer = _answer_file(sys.argv[1])
    _settle_in(request)
    process = os.getpid()
    outcome = _outcome(request)
    if os.getpid() == process:  # what the function forked may come back here too, and has nothing to say
        with answer:
            answer.write(outcome[: LARGEST + 1])


def _answer_file(name: str) -> io.BufferedIOBase:
    """Open where the outcome goes: an inherited descriptor, which is not passed on, or a file."""
    if not name.isdecimal():
        return open(name, "wb")  # noqa: PTH123 - the caller closes it
    os.set_inheritable(int(name), False)
    return os.fdopen(int(name), "wb")


def _settle_in(request: Mapping[str, Any]) -> None:
    """Make this the process that the function expects: nothing to read, its folders first, lines shown as they come."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    sys.argv = [request["call"]]
    sys.path[:0] = request["folders"]


def _outcome(request: Mapping[str, Any]) -> bytes:
    try:
        value = _function(request["call"], request["folders"])(**request["args"])
    except BaseException as error:  # whatever it is, SystemExit included, the step failed with it
        return _encoded({"exception": _told(error)})
    try:
        _check(value, "result", 0)
        return _encoded({"value": value})
    except Exception as error:  # also what a class of the author's own makes of being looked at
        return _encoded({"misfit": _plain(str(error) or type(error).__name__)[:LONGEST]})


def _function(call: str, folders: list[str]) -> Callable[..., Any]:
    module, _, path = call.partition(":")
    _prefer(module.partition(".")[0], folders)
    found: Any = import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    function: Callable[..., Any] = found
    return function


def _prefer(name: str, folders: list[str]) -> None:
    """Have a module of the author's win over one of Python's that is loaded already because this file needs it."""
    if name not in sys.modules or name in sys.builtin_module_names or name == "__main__":
        return
    spec = PathFinder.find_spec(name, folders)
    if spec is not None and spec.has_location and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)


def _encoded(outcome: Mapping[str, Any]) -> bytes:
    return json.dumps(outcome, allow_nan=False).encode()


def _check(value: object, where: str, depth: int) -> None:
    """Refuse what JSON would lose or change: other types, keys that are no text, numbers without end, circles."""
    if value is None or isinstance(value, bool | int | str):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _NoJson(f"`{where}` is {value}, which JSON cannot hold")
    elif depth >= _DEEPEST:
        raise _NoJson(f"`{where}` is nested more than {_DEEPEST} levels deep")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise _NoJson(f"`{where}` has the key {key!r}, and keys of JSON objects are text")
            _check(item, f"{where}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check(item, f"{where}[{index}]", depth + 1)
    else:
        raise _NoJson(f"`{where}` is of type `{type(value).__name__}`, which JSON cannot hold")


def _told(error: BaseException) -> dict[str, Any]:
    try:
        message = str(error)
    except BaseException as other:
        message = f"(its text cannot be had: {type(other).__name__})"
    return {
        "names": _names(type(error)),
        "message": _plain(message)[:LONGEST],
        "traceback": _traceback(error),
    }


def _plain(text: str) -> str:
    """Return a text without halves of surrogate pairs, which nothing could keep."""
    return text.encode("utf-8", "backslashreplace").decode()


def _names(cls: type) -> list[str]:
    """Return the names of an exception's class and of those above it: the short ones, then those with a module."""
    classes = [one for one in cls.__mro__ if one is not object]
    full = [f"{one.__module__}.{one.__qualname__}" for one in classes if one.__module__ != "builtins"]
    return [*(one.__name__ for one in classes), *full]


def _traceback(error: BaseException) -> str:
    """Return the traceback from the function on; of a huge one only its lines of code."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    text = "".join(traceback.format_exception(type(error), error, trace))
    if len(text) >= LONGEST:
        text = f"{''.join(traceback.format_tb(trace))}{type(error).__name__}: (its text is too long to be shown here)\n"
    return _plain(text)[:LONGEST]


if __name__ == "__main__":
    main()
