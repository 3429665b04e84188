"""How a path grows by one name or index, and what is then known about the place that it reached."""

from __future__ import annotations

from checkpointflow.expressions.names import Names, refuse_unless, segment_text
from checkpointflow.expressions.places import NOWHERE, Place
from checkpointflow.expressions.syntax import Node, Path, Segment

_ARRAY = frozenset(("array",))


def path_from(node: Node) -> Path:
    """Return a path that begins with the value of a node; a path goes on being itself."""
    return node if isinstance(node, Path) else Path(node.offset, name="the value", base=node)


def select_name(names: Names, path: Path, key: str, offset: int) -> None:
    """Extend a path by a name.

    Raises:
        ExpressionError: the schema says that nothing can stand there.
    """
    if path.place is None:
        _extend(path, key, Segment(key, None, offset))
        path.types = None
        return
    member = names.select(path.place, key, path.text, offset)
    passes = path.null_passes or (member.may_be_absent and not member.can_be_null)
    _extend(path, key, Segment(key, None, offset, may_be_absent=member.may_be_absent, null_passes=passes))
    is_filled_in = member.has_default and not path.null_passes
    _enter(path, member.place, passes, can_be_null=member.can_be_null or (passes and not is_filled_in))


def select_item(path: Path, index: int, offset: int) -> None:
    """Extend a path by a known index.

    Raises:
        ExpressionError: the schema says that there is no list.
    """
    if path.place is not None:
        refuse_unless(path.place, "array", path.text, f"`[{index}]`", offset)
    _extend(path, index, Segment(index, None, offset, null_passes=path.null_passes))
    if path.place is not None:
        _enter(path, path.place.element(index), path.null_passes, can_be_null=path.null_passes)


def select_computed(path: Path, index: Node, offset: int) -> None:
    """Extend a path by an index that is computed; its reference ends before it."""
    path.segments.append(Segment(None, index, offset, null_passes=path.null_passes))
    path.text += "[…]"
    path.reference = None
    path.types = None
    path.depth = max(path.depth, index.depth + 1)
    if path.place is not None:
        place = path.place.element(None) if path.place.types() == _ARRAY else NOWHERE
        _enter(path, place, path.null_passes, can_be_null=path.null_passes)


def item_place(target: Node) -> Place:
    """Return the place of the items that a macro goes over."""
    place = target.place if isinstance(target, Path) else None
    if place is None or "array" not in (place.types() or ()):
        return NOWHERE
    return place.element(None)


def _extend(path: Path, key: str | int, segment: Segment) -> None:
    path.segments.append(segment)
    path.text += segment_text(key)
    if path.reference is not None:
        path.reference.append(key)


def _enter(path: Path, place: Place, null_passes: bool, *, can_be_null: bool) -> None:
    types = place.types()
    path.place = place
    path.types = types | {"null"} if types is not None and can_be_null else types
    path.null_passes = null_passes or "null" in (types or ())
