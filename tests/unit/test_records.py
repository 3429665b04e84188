"""Records are dataclasses: the same words mean the same, and the library's own functions know them."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any, ClassVar

import pytest

from checkpointflow import records


@records.dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    at: int


@records.dataclass(frozen=True, kw_only=True, slots=True)
class Made(Base):
    """A class with a text of its own."""

    KINDS: ClassVar[int] = 7
    name: str = "nobody"
    items: list[int] = records.field(default_factory=list)
    hidden: int = records.field(default=3, repr=False, compare=False)


@records.dataclass(slots=True)
class Loose:
    left: int
    right: int = 2
    total: int = records.field(default=0, init=False)

    def __post_init__(self) -> None:
        self.total = self.left + self.right


@pytest.fixture(params=["seldom", "often"], autouse=True)
def used(request: pytest.FixtureRequest) -> None:
    """Have everything hold for classes that are used seldom, and for those that got generated code."""
    if request.param == "often":
        for number in range(60):
            Base(at=number), Made(at=number), Loose(number)


def library(cls: Any) -> Any:
    return dataclasses.dataclass(frozen=True, kw_only=True)(cls)


@library
class LibraryBase:
    at: int


@library
class Twin(LibraryBase):
    name: str = "nobody"
    items: list[int] = dataclasses.field(default_factory=list)
    hidden: int = dataclasses.field(default=3, repr=False, compare=False)


def test_values_defaults_and_texts_are_those_of_the_library() -> None:
    assert repr(Made(at=1)) == repr(Twin(at=1)).replace("Twin", "Made")
    assert (Made(at=1, name="a").name, Made.KINDS, Made(at=1).hidden) == ("a", 7, 3)
    assert Made(at=1).items is not Made(at=1).items


def test_equality_is_that_of_values_in_one_class() -> None:
    assert Made(at=1, hidden=5) == Made(at=1)
    assert Made(at=1) != Made(at=2)
    assert Base(at=1) != Made(at=1)
    assert len({Base(at=1), Base(at=1), Base(at=2)}) == 2
    with pytest.raises(TypeError):
        hash(Loose(1))


def test_positions_and_what_follows_from_them() -> None:
    assert (Loose(1).total, Loose(1, right=4).total) == (3, 5)
    match Loose(3, 4):
        case Loose(left, right):
            assert (left, right) == (3, 4)


@pytest.mark.parametrize(
    ("args", "named"), [((1,), {}), ((), {}), ((), {"at": 1, "other": 2}), ((), {"name": "x", "other": 1})]
)
def test_wrong_values_are_refused(args: tuple[Any, ...], named: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Made(*args, **named)


@pytest.mark.parametrize(("args", "named"), [((), {}), ((1, 2, 3), {}), ((1,), {"left": 2}), ((1,), {"total": 2})])
def test_wrong_positions_are_refused(args: tuple[Any, ...], named: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Loose(*args, **named)


def test_frozen_ones_do_not_change_and_slots_take_nothing_else() -> None:
    with pytest.raises(AttributeError):
        Made(at=1).at = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del Made(at=1).at
    with pytest.raises(AttributeError):
        Loose(1).other = 2  # type: ignore[attr-defined]
    assert not hasattr(Made(at=1), "__dict__")


def test_replace_gives_another_one() -> None:
    one = Made(at=1, items=[4])
    assert records.replace(one, name="b") == Made(at=1, name="b", items=[4])
    assert records.replace(Loose(1, 2), left=5).total == 7
    assert [field.name for field in records.fields(one)] == ["at", "name", "items", "hidden"]


def test_copies_and_pickles_are_equal() -> None:
    one = Made(at=1, name="c", items=[1, 2])
    assert copy.copy(one) == copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one


def test_the_library_knows_them() -> None:
    one = Made(at=1)
    assert dataclasses.is_dataclass(one)
    assert dataclasses.asdict(one) == {"at": 1, "name": "nobody", "items": [], "hidden": 3}
    assert dataclasses.replace(one, at=2) == Made(at=2)
    assert [field.name for field in dataclasses.fields(one)] == ["at", "name", "items", "hidden"]
