"""The shapes of a parsed expression; each node knows its place, its static types and its depth."""

from __future__ import annotations

from collections.abc import Sequence

from checkpointflow.expressions.functions import Builtin
from checkpointflow.expressions.places import Place, TypeNames
from checkpointflow.values import JsonValue

BOOLEAN = frozenset(("boolean",))
_INTEGER = frozenset(("integer",))
_NUMBER = frozenset(("number",))
_NUMERIC = _INTEGER | _NUMBER


class Node:
    """A part of an expression."""

    __slots__ = ("depth", "offset", "types")

    def __init__(self, offset: int, types: TypeNames, children: Sequence[Node] = ()) -> None:
        self.offset = offset
        self.types = types
        self.depth: int = 1 + max((child.depth for child in children), default=0)


class Literal(Node):
    """A value that stands in the source."""

    __slots__ = ("value",)

    def __init__(self, offset: int, value: JsonValue, type_name: str) -> None:
        super().__init__(offset, frozenset((type_name,)))
        self.value = value


class Segment:
    """One selection of a path: a known key, or one that is computed.

    `may_be_absent`: a missing key reads as null. `null_passes`: below null there is null.
    """

    __slots__ = ("key", "may_be_absent", "node", "null_passes", "offset")

    def __init__(
        self,
        key: str | int | None,
        node: Node | None,
        offset: int,
        *,
        may_be_absent: bool = False,
        null_passes: bool = False,
    ) -> None:
        self.key = key
        self.node = node
        self.offset = offset
        self.may_be_absent = may_be_absent
        self.null_passes = null_passes


class Path(Node):
    """A root, a variable of a macro (by its slot) or a computed value, and what is selected from it.

    `text` is how messages write it.
    """

    __slots__ = ("base", "name", "null_passes", "place", "reference", "segments", "slot", "text")

    def __init__(
        self,
        offset: int,
        *,
        name: str,
        slot: int | None = None,
        base: Node | None = None,
        place: Place | None = None,
        reference: list[str | int] | None = None,
    ) -> None:
        super().__init__(offset, place.types() if place else None, (base,) if base else ())
        self.name = name
        self.text = name
        self.slot = slot
        self.base = base
        self.place = place
        self.reference = reference
        self.segments: list[Segment] = []
        self.null_passes = self.types is not None and "null" in self.types


class ListOf(Node):
    """A list that is written out."""

    __slots__ = ("items",)

    def __init__(self, offset: int, items: list[Node]) -> None:
        super().__init__(offset, frozenset(("array",)), items)
        self.items = items


class MapOf(Node):
    """An object that is written out."""

    __slots__ = ("pairs",)

    def __init__(self, offset: int, pairs: list[tuple[Node, Node]]) -> None:
        super().__init__(offset, frozenset(("object",)), [node for pair in pairs for node in pair])
        self.pairs = pairs


class Prefix(Node):
    """`!` and `-` before an operand, the innermost first."""

    __slots__ = ("operand", "symbols")

    def __init__(self, symbols: list[tuple[str, int]], operand: Node) -> None:
        symbol, offset = symbols[-1]
        types = BOOLEAN if symbol == "!" else (operand.types or _NUMBER) & _NUMERIC or _NUMBER
        super().__init__(offset, types, (operand,))
        self.symbols = symbols
        self.operand = operand


class Arithmetic(Node):
    """A chain of additions and subtractions, or of the other three, from left to right."""

    __slots__ = ("first", "rest")

    def __init__(self, first: Node) -> None:
        super().__init__(first.offset, first.types, (first,))
        self.first = first
        self.rest: list[tuple[str, Node, int]] = []

    def extend(self, symbol: str, operand: Node, offset: int) -> None:
        """Add one operation to the chain."""
        self.types = _arithmetic_types(symbol, self.types, operand.types)
        self.depth = max(self.depth, operand.depth + 1)
        self.rest.append((symbol, operand, offset))


class Comparison(Node):
    """`==`, `!=`, an order, or `in`; `offset` is that of the operator."""

    __slots__ = ("left", "right", "symbol")

    def __init__(self, symbol: str, left: Node, right: Node, offset: int) -> None:
        super().__init__(offset, BOOLEAN, (left, right))
        self.symbol = symbol
        self.left = left
        self.right = right


class Logic(Node):
    """A chain of `&&` or of `||`."""

    __slots__ = ("operands", "symbol")

    def __init__(self, symbol: str, operands: list[Node]) -> None:
        super().__init__(operands[0].offset, BOOLEAN, operands)
        self.symbol = symbol
        self.operands = operands

    def extend(self, operand: Node) -> None:
        """Add one operand to the chain."""
        self.depth = max(self.depth, operand.depth + 1)
        self.operands.append(operand)


class Choice(Node):
    """`a ? b : c ? d : e`."""

    __slots__ = ("branches", "otherwise")

    def __init__(self, branches: list[tuple[Node, Node]], otherwise: Node) -> None:
        values = [*(value for _, value in branches), otherwise]
        conditions = [condition for condition, _ in branches]
        super().__init__(branches[0][0].offset, _union(values), [*conditions, *values])
        self.branches = branches
        self.otherwise = otherwise


class Call(Node):
    """A built-in function with its values, the receiver first."""

    __slots__ = ("builtin", "values")

    def __init__(self, offset: int, builtin: Builtin, values: list[Node], types: TypeNames) -> None:
        super().__init__(offset, types, values)
        self.builtin = builtin
        self.values = values


class Has(Node):
    """`has(path)`."""

    __slots__ = ("path",)

    def __init__(self, offset: int, path: Path) -> None:
        super().__init__(offset, BOOLEAN, (path,))
        self.path = path


class Default(Node):
    """`default(value, otherwise)`."""

    __slots__ = ("otherwise", "value")

    def __init__(self, offset: int, value: Node, otherwise: Node) -> None:
        known = value.types is not None and otherwise.types is not None
        types = ((value.types or frozenset()) - {"null"}) | (otherwise.types or frozenset())
        super().__init__(offset, types if known else None, (value, otherwise))
        self.value = value
        self.otherwise = otherwise


class Macro(Node):
    """`all`, `exists`, `exists_one`, `map` or `filter` over a list's items or an object's keys.

    `weight` is how many nodes the body has: what one iteration costs grows with it.
    """

    __slots__ = ("body", "condition", "name", "slot", "target", "weight")

    def __init__(
        self,
        offset: int,
        *,
        name: str,
        target: Node,
        slot: int,
        condition: Node | None,
        body: Node,
        weight: int,
    ) -> None:
        children = [target, body] if condition is None else [target, condition, body]
        super().__init__(offset, frozenset(("array",)) if name in ("map", "filter") else BOOLEAN, children)
        self.name = name
        self.target = target
        self.slot = slot
        self.condition = condition
        self.body = body
        self.weight = weight


def kinds_differ(left: TypeNames, right: TypeNames) -> bool:
    """Tell whether two operands can be seen never to be of one kind; whole and other numbers are one."""
    if not left or not right:
        return False
    return not {_kind(name) for name in left} & {_kind(name) for name in right}


def _kind(name: str) -> str:
    return "number" if name == "integer" else name


def _arithmetic_types(symbol: str, left: TypeNames, right: TypeNames) -> TypeNames:
    if symbol == "%" or left == right == _INTEGER:
        return _INTEGER
    if symbol != "+":
        return _NUMBER
    if left is None or right is None:
        return None
    if left == right and len(left) == 1 and not left & _NUMERIC:
        return left
    return _NUMBER if left | right <= _NUMERIC else None


def _union(nodes: list[Node]) -> TypeNames:
    union: frozenset[str] = frozenset()
    for node in nodes:
        if node.types is None:
            return None
        union |= node.types
    return union
