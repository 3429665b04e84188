"""Dataclasses that are made without running generated code, because a command would spend half its time on that.

`dataclass`, `field`, `fields` and `replace` mean what they mean in the standard library, which type checkers are shown;
the library's own functions know these classes, too. No class of the project's stands here.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as `typing` has it, whose import this spares `cpf --version`
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["dataclass", "field", "fields", "replace"]

_NOTHING: Any = object()
_FIELDS = "__record_fields__"
_OFTEN = 50
"""After so many objects of a class, code that makes them faster is worth its generation."""


class _Field:
    """What is known of one field of a class."""

    __slots__ = ("compare", "default", "default_factory", "init", "kw_only", "name", "repr", "type")

    def __init__(self, default: Any, default_factory: Any, init: bool, repr: bool, compare: bool) -> None:
        self.default = default
        self.default_factory = default_factory
        self.init = init
        self.repr = repr
        self.compare = compare
        self.name = ""
        self.type = ""
        self.kw_only = False


class _Known:
    """Shows the classes to the functions of the standard library, which ask for its own descriptions of fields."""

    def __get__(self, _instance: object, cls: type) -> object:
        import dataclasses

        shown = []
        for one in getattr(cls, _FIELDS):
            more = {"init": one.init, "repr": one.repr, "compare": one.compare, "kw_only": one.kw_only}
            if one.default is not _NOTHING:
                more["default"] = one.default
            if one.default_factory is not _NOTHING:
                more["default_factory"] = one.default_factory
            shown.append((one.name, one.type, dataclasses.field(**more)))
        return vars(dataclasses.make_dataclass(cls.__name__, shown))["__dataclass_fields__"]


def _field(
    *,
    default: Any = _NOTHING,
    default_factory: Any = _NOTHING,
    init: bool = True,
    repr: bool = True,
    compare: bool = True,
) -> Any:
    return _Field(default, default_factory, init, repr, compare)


def _fields(record: Any) -> tuple[Any, ...]:
    found: tuple[Any, ...] = getattr(record, _FIELDS)
    return found


def _replace(record: Any, /, **changes: Any) -> Any:
    for one in getattr(record, _FIELDS):
        if one.init and one.name not in changes:
            changes[one.name] = getattr(record, one.name)
    return type(record)(**changes)


def _dataclass(
    cls: Any = None, /, *, frozen: bool = False, kw_only: bool = False, slots: bool = False, eq: bool = True
) -> Any:
    def decorate(cls: Any) -> Any:
        return _made(cls, frozen=frozen, kw_only=kw_only, slots=slots, eq=eq)

    return decorate if cls is None else decorate(cls)


def _made(cls: Any, *, frozen: bool, kw_only: bool, slots: bool, eq: bool) -> Any:
    """Return the class with the methods of a dataclass; with `slots` it is a new one."""
    own = _own_fields(cls, kw_only)
    inherited = {one.name: one for base in reversed(cls.__mro__[1:]) for one in base.__dict__.get(_FIELDS, ())}
    every = (*{**inherited, **own}.values(),)
    if slots:
        cls = _with_slots(cls, [name for name in own if name not in inherited])
    given = cls.__dict__
    defaults = {
        _FIELDS: every,
        "__dataclass_fields__": _Known(),
        "__match_args__": tuple(one.name for one in every if one.init and not one.kw_only),
        "__repr__": _repr,
        **({"__eq__": _eq, "__hash__": _hash if frozen else None} if eq else {}),
        **({"__setattr__": _refuse_set, "__delattr__": _refuse_delete} if frozen else {}),
        **({"__getstate__": _getstate, "__setstate__": _setstate} if frozen and slots else {}),
    }
    for name, value in defaults.items():
        if name not in given or (name == "__hash__" and given[name] is None):
            setattr(cls, name, value)
    if "__init__" not in given:
        cls.__init__ = _initializer(cls, every, frozen=frozen)
    return cls


def _own_fields(cls: Any, kw_only: bool) -> dict[str, _Field]:
    """Take what the annotations of a class say out of it."""
    found: dict[str, _Field] = {}
    for name, annotation in _annotations(cls).items():
        if annotation.startswith(("ClassVar", "typing.ClassVar")):
            continue
        default = cls.__dict__.get(name, _NOTHING)
        one = default if isinstance(default, _Field) else _Field(default, _NOTHING, True, True, True)
        if one is default:
            if one.default is _NOTHING:
                delattr(cls, name)
            else:
                setattr(cls, name, one.default)
        one.name, one.type, one.kw_only = name, annotation, kw_only
        found[name] = one
    return found


def _annotations(cls: Any) -> dict[str, str]:
    """Return the annotations of a class as they are written, in every version of Python."""
    written: dict[str, str] = cls.__dict__.get("__annotations__", {})  # noqa: RUF063 - what it names is slow to import
    return written


def _with_slots(cls: Any, names: list[str]) -> Any:
    inside = {name: value for name, value in cls.__dict__.items() if name not in names}
    inside.pop("__dict__", None)
    inside.pop("__weakref__", None)
    made = type(cls)(cls.__name__, cls.__bases__, {**inside, "__slots__": (*names,)})
    made.__qualname__ = cls.__qualname__
    return made


def _initializer(cls: Any, every: tuple[_Field, ...], *, frozen: bool) -> Callable[..., None]:
    """Return `__init__` for these fields; a class that is used often gets one of generated code in its place."""
    names = [one.name for one in every]
    positional = [one.name for one in every if one.init and not one.kw_only]
    plain = {one.name: one.default for one in every if one.default is not _NOTHING}
    made = {one.name: one.default_factory for one in every if one.default_factory is not _NOTHING}
    hidden = {one.name for one in every if not one.init}
    count, put, is_checked, left = len(names), object.__setattr__, hasattr(cls, "__post_init__"), _OFTEN

    def initialize(self: Any, *args: Any, **values: Any) -> None:
        nonlocal left
        left -= 1
        if not left:
            cls.__init__ = _generated(every, frozen=frozen, is_checked=is_checked)
        if args:
            _take(type(self), positional, args, values)
        if hidden and not hidden.isdisjoint(values):
            raise TypeError(f"{type(self).__name__}() takes none of {sorted(hidden)}")
        if len(values) != count:
            values = {**plain, **values}
            for name, make in made.items():
                if name not in values:
                    values[name] = make()
        if len(values) != count:
            raise _unfit(type(self), names, values)
        try:
            for name in names:
                put(self, name, values[name])
        except KeyError:
            raise _unfit(type(self), names, values) from None
        if is_checked:
            self.__post_init__()

    initialize.__name__ = "__init__"
    return initialize


def _generated(every: tuple[_Field, ...], *, frozen: bool, is_checked: bool) -> Callable[..., None]:
    """Return `__init__` as the library would write it: it takes longer to make, and half as long to call."""
    known: dict[str, Any] = {"_put": object.__setattr__, "_nothing": _NOTHING}
    first, named, lines = list[str](), list[str](), list[str]()
    for one in every:
        value, word = one.name, one.name
        if one.default_factory is not _NOTHING:
            known[f"_make_{one.name}"] = one.default_factory
            word += "=_nothing"
            value = f"_make_{one.name}() if {one.name} is _nothing else {one.name}"
        elif one.default is not _NOTHING:
            known[f"_default_{one.name}"] = one.default
            word += f"=_default_{one.name}"
        if not one.init:
            value = f"_make_{one.name}()" if one.default is _NOTHING else f"_default_{one.name}"
        else:
            (named if one.kw_only else first).append(word)
        lines.append(f"_put(self, {one.name!r}, {value})" if frozen else f"self.{one.name} = {value}")
    if is_checked:
        lines.append("self.__post_init__()")
    words = ", ".join(["self", *first, *(["*", *named] if named else [])])
    exec(f"def __init__({words}):\n " + "\n ".join(lines or ["pass"]), known)
    made: Callable[..., None] = known["__init__"]
    return made


def _take(cls: type, positional: list[str], args: tuple[Any, ...], values: dict[str, Any]) -> None:
    """Name the values that were given by position."""
    if len(args) > len(positional):
        raise TypeError(f"{cls.__name__}() takes {len(positional)} values by position, not {len(args)}")
    for name, value in zip(positional, args):  # noqa: B905 - the others are given by name, or have defaults
        if name in values:
            raise TypeError(f"{cls.__name__}() got two values for {name!r}")
        values[name] = value


def _unfit(cls: type, names: list[str], values: dict[str, Any]) -> TypeError:
    lacking = [name for name in names if name not in values]
    extra = [name for name in values if name not in names]
    what = f"lacks {', '.join(lacking)}" if lacking else f"has no {', '.join(extra)}"
    return TypeError(f"{cls.__name__}() {what}")


def _values(record: Any) -> tuple[Any, ...]:
    return tuple([getattr(record, one.name) for one in getattr(record, _FIELDS) if one.compare])


def _eq(self: Any, other: object) -> Any:
    return _values(self) == _values(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _repr(self: Any) -> str:
    shown = ", ".join(f"{one.name}={getattr(self, one.name)!r}" for one in getattr(self, _FIELDS) if one.repr)
    return f"{type(self).__qualname__}({shown})"


def _refuse_set(self: Any, name: str, _value: object) -> None:
    raise AttributeError(f"cannot assign to {name!r}: a {type(self).__name__} does not change")


def _refuse_delete(self: Any, name: str) -> None:
    raise AttributeError(f"cannot delete {name!r}: a {type(self).__name__} does not change")


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, one.name) for one in getattr(self, _FIELDS)]


def _setstate(self: Any, state: list[Any]) -> None:
    for one, value in zip(getattr(self, _FIELDS), state, strict=True):
        object.__setattr__(self, one.name, value)


if TYPE_CHECKING:
    from dataclasses import dataclass, field, fields, replace
else:
    dataclass, field, fields, replace = _dataclass, _field, _fields, _replace
