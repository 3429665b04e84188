"""What a call of `run` was given, and which combinations mean something; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from checkpointflow.frontends.functions.accepting import shown
from checkpointflow.records import dataclass

MISSING: Any = object()
"""Stands for an argument that was left out; `None` is a legal input."""

Begin: TypeAlias = Literal["start", "answer", "go_on"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """A legal call: `start` has the input, `answer` the responses by wait id, key or event name."""

    begin: Begin
    run_input: Any = None
    responses: Mapping[str, Any] | None = None


def given(run_input: Any, responses: Mapping[str, Any] | None, *, has_checkpoint: bool, has_run: bool) -> Given:
    """Return what a call means; `has_run` says whether the checkpoint is one of a run that has begun.

    Raises:
        ValueError: the combination means nothing; says what to drop, or to give.
        TypeError: `responses` is no object of answers.
    """
    refuse_no_object(responses, "responses", "answers by wait id, key or event name")
    if run_input is not MISSING and responses is not None:
        raise ValueError(
            "both `input` and `responses` were given; drop `responses` to start a run, or `input` to answer one"
        )
    if responses is not None:
        return _answer(responses, has_checkpoint=has_checkpoint, has_run=has_run)
    if run_input is not MISSING:
        if has_run:
            raise ValueError(
                "the checkpoint has begun already, with the input it was given then; drop `input` to go on with it, "
                "or take `Checkpoint.new(…)` to start another run"
            )
        return Given(begin="start", run_input=run_input)
    if has_checkpoint and not has_run:
        raise ValueError("the checkpoint is new, so there is nothing to go on with; give the run its `input`")
    return Given(begin="go_on") if has_run else Given(begin="start", run_input={})


def refuse_no_object(value: object, name: str, meaning: str) -> None:
    """Refuse what has to be an object, or left out.

    Raises:
        TypeError: it is something else.
    """
    if value is not None and not isinstance(value, Mapping):
        raise TypeError(f"`{name}` is {shown(value)}; give it an object of {meaning}")


def _answer(responses: Mapping[str, Any], *, has_checkpoint: bool, has_run: bool) -> Given:
    if not has_checkpoint:
        raise ValueError("`responses` answer a run that waits; give its `checkpoint` too, or drop them")
    if not has_run:
        raise ValueError("the checkpoint is new, so nothing was asked yet; drop `responses` and give `input`")
    return Given(begin="answer", responses=responses)
