"""Values of Python become JSON and come back by their annotations; what JSON cannot hold is refused by name."""

from __future__ import annotations

import subprocess
import sys
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict
from uuid import UUID

import msgspec
import pytest
from pydantic import BaseModel

from checkpointflow.errors import WorkflowCodeError
from checkpointflow.frontends.functions.conversion import from_json, hints_of, schemas_of, to_json
from checkpointflow.schemas import check
from checkpointflow.values import dump, load

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1


class Word(StrEnum):
    YES = "yes"


class Mixed(str, Enum):  # noqa: UP042 - as many still write it
    A = "a"


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Inner:
    when: datetime
    colour: Colour = Colour.RED


@dataclass
class Paper:
    title: str
    inner: Inner
    tags: list[str] = field(default_factory=list)
    _hidden: int = 1


class Row(TypedDict):
    name: str
    at: NotRequired[datetime]


class Struct(msgspec.Struct):
    a: int


class Author(BaseModel):
    name: str
    born: date


class Book(BaseModel):
    title: str
    authors: list[Author]


BOTH_WAYS = [
    (Paper("t", Inner(NOON, Colour.BLUE), ["x"], 5), Paper),
    ([Paper("t", Inner(NOON))], list[Paper]),
    ({"a": Paper("t", Inner(NOON))}, dict[str, Paper]),
    ({"name": "n", "at": NOON}, Row),
    ({"name": "n"}, Row),
    (Colour.RED, Colour),
    ({Colour.RED: 1}, dict[Colour, int]),
    (Level.LOW, Level),
    (Word.YES, Word),
    (Mixed.A, Mixed),
    (NOON, datetime),
    (NOON.date(), date),
    (NOON.time(), type(NOON.time())),
    (timedelta(days=1, seconds=2), timedelta),
    (UUID(int=5), UUID),
    (Decimal("1.50"), Decimal),
    (Point(1, 2), Point),
    ((1, "a"), tuple[int, str]),
    ({3, 1, 2}, set[int]),
    (b"\x00\xff", bytes),
    (Path("a/b"), Path),
    (Struct(1), Struct),
    (Author(name="n", born=NOON.date()), Author),
    ([Book(title="t", authors=[Author(name="n", born=NOON.date())])], list[Book]),
    (None, Author | None),
    (None, None),
    (1.0, float),
    (1, float),
    ("x", Literal["x", "y"]),
    ("x", Annotated[str, "a word"]),
    ([1, {"a": None}], Any),
    (3, int | str),
]


@pytest.mark.parametrize(("value", "annotation"), BOTH_WAYS)
def test_a_value_comes_back_as_it_was_by_its_annotation(value: Any, annotation: Any) -> None:
    plain = load(dump(to_json(value, "it")))
    assert from_json(plain, annotation, "it") == value
    assert type(from_json(plain, annotation, "it")) is type(value) or annotation is float


@pytest.mark.parametrize(("value", "annotation"), BOTH_WAYS)
def test_a_value_as_json_fits_the_schema_of_its_annotation(value: Any, annotation: Any) -> None:
    properties, shared = schemas_of({"it": annotation}, "flow")
    schema = {"type": "object", "properties": properties, "$defs": shared}
    assert check({"it": to_json(value, "it")}, schema) == []


@pytest.mark.parametrize("value", [Word.YES, Mixed.A, Level.LOW, [Word.YES], {Word.YES: Mixed.A}])
def test_what_derives_from_text_or_numbers_is_plain_even_before_it_was_stored(value: Any) -> None:
    def plain(one: Any) -> bool:
        if isinstance(one, dict):
            return all(type(key) is str and plain(item) for key, item in one.items())
        return all(map(plain, one)) if isinstance(one, list) else type(one) in (str, int)

    assert plain(to_json(value, "it"))


def test_a_set_is_the_same_text_in_every_process() -> None:
    code = (
        "from checkpointflow.frontends.functions.conversion import to_json;"
        "print(to_json({'s': {'ada', 'bob', 'cleo', 'dan', 'eve'}}, 'it'))"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1


def test_the_order_of_a_dict_is_kept() -> None:
    value = OrderedDict([("z", Inner(NOON)), ("a", Inner(NOON))])
    assert list(to_json(value, "it")) == ["z", "a"]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ((1, 2), [1, 2]),
        ({2, 1}, [1, 2]),
        (frozenset({"a"}), ["a"]),
        (b"\x00\xff", "AP8="),
        (Colour.RED, Colour.RED.value),
        (NOON, NOON.isoformat().replace("+00:00", "Z")),
        (timedelta(days=1), "P1D"),
        (Decimal("1.50"), "1.50"),
        (UUID(int=5), str(UUID(int=5))),
        (Path("a/b"), "a/b"),
        (Inner(NOON), {"when": NOON.isoformat().replace("+00:00", "Z"), "colour": Colour.RED.value}),
        (Author(name="n", born=NOON.date()), {"name": "n", "born": NOON.date().isoformat()}),
    ],
)
def test_without_an_annotation_the_json_comes_back_as_which_a_value_is_kept(value: Any, kept: Any) -> None:
    assert to_json(value, "it") == kept
    assert from_json(to_json(value, "it"), Any, "it") == kept


class Odd:
    pass


REFUSED = [
    (Odd(), "`it` is of type `Odd`"),
    ({"a": [1, Odd()]}, "`it.a[1]` is of type `Odd`"),
    (Paper("t", Inner(Odd())), "`it.inner.when` is of type `Odd`"),  # type: ignore[arg-type]
    ([{"a": Struct(Odd())}], "`it[0].a` is of type `Odd`"),  # type: ignore[arg-type]
    ({1: 2}, "`it` has the key 1"),
    (float("nan"), "`it` is nan"),
    ([Paper, 1], "`it[0]` is of type `type`"),
    (lambda: 1, "`it` is of type `function`"),
]


@pytest.mark.parametrize(("value", "told"), REFUSED)
def test_anything_else_is_refused_naming_the_value(value: Any, told: str) -> None:
    with pytest.raises(WorkflowCodeError) as refused:
        to_json(value, "it")
    assert refused.value.message.startswith(told)
    assert "give JSON" in refused.value.message


def test_a_value_that_holds_itself_is_refused() -> None:
    circle: list[Any] = [Odd]
    circle.append(circle)
    with pytest.raises(WorkflowCodeError, match=r"nested more than 200 levels deep|is of type `type`"):
        to_json(circle, "it")
    inner = Inner(NOON)
    inner.when = inner  # type: ignore[assignment]
    with pytest.raises(WorkflowCodeError, match="nested more than 200"):
        to_json(inner, "it")


@pytest.mark.parametrize(
    ("value", "annotation", "told"),
    [
        ("x", int, "does not fit its annotation"),
        ({"title": "t"}, Paper, "does not fit its annotation"),
        ("green", Colour, "does not fit its annotation"),
        ({"name": "n", "born": "no date"}, Author, "does not fit its annotation"),
        ({}, Odd, "cannot be made from JSON|nothing says how"),
    ],
)
def test_json_that_does_not_fit_its_annotation_is_refused(value: Any, annotation: Any, told: str) -> None:
    with pytest.raises(WorkflowCodeError, match=told) as refused:
        from_json(value, annotation, "the answer")
    assert refused.value.message.startswith("the answer")


class Shelf:
    class Author(BaseModel):
        nick: str

    class Book(BaseModel):
        author: Shelf.Author


def test_models_of_one_name_stay_apart_and_refer_to_their_own() -> None:
    properties, shared = schemas_of({"mine": list[Book], "yours": Shelf.Book, "maybe": Inner | None}, "flow")
    schema = {"type": "object", "properties": properties, "$defs": shared}
    mine = [{"title": "t", "authors": [{"name": "n", "born": "2030-01-01"}]}]
    assert check({"mine": mine, "yours": {"author": {"nick": "n"}}, "maybe": None}, schema) == []
    assert check({"mine": [{"title": "t", "authors": [{"nick": "n"}]}]}, schema)
    assert check({"yours": {"author": {"name": "n", "born": "2030-01-01"}}}, schema)


def test_an_annotation_without_a_json_form_is_refused_by_the_name_of_its_parameter() -> None:
    with pytest.raises(WorkflowCodeError, match="the annotation of `b` of `flow`"):
        schemas_of({"a": int, "b": Odd}, "flow")


def test_annotations_that_nobody_needs_may_be_known_to_type_checkers_alone() -> None:
    def task(given: Unknown) -> int: ...  # type: ignore[name-defined] # noqa: F821

    assert hints_of(task, ["return"], "task") == {"return": int}
    with pytest.raises(WorkflowCodeError, match="is not known"):
        hints_of(task, ["given"], "task")
