"""From source to syntax, by operator precedence; names are read with the help of the scope."""

from __future__ import annotations

import re

from checkpointflow.errors import ExpressionError
from checkpointflow.expressions.functions import (
    BUILTINS,
    MACROS,
    SPECIAL_FORMS,
    can_match,
    check_count,
    no_function,
)
from checkpointflow.expressions.names import Names
from checkpointflow.expressions.operators import MAX_INTEGER, MIN_INTEGER
from checkpointflow.expressions.places import Place, type_of
from checkpointflow.expressions.selections import (
    item_place,
    path_from,
    select_computed,
    select_item,
    select_name,
)
from checkpointflow.expressions.syntax import (
    Arithmetic,
    Call,
    Choice,
    Comparison,
    Default,
    Has,
    ListOf,
    Literal,
    Logic,
    Macro,
    MapOf,
    Node,
    Path,
    Prefix,
    kinds_differ,
)
from checkpointflow.expressions.tokens import TokenReader

MAX_LENGTH = 16 * 1024
MAX_DEPTH = 64

_LEVELS = {
    "||": 1, "&&": 2, "not": 3,
    "==": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4, "in": 4,
    "+": 5, "-": 5, "*": 6, "/": 6, "%": 6,
}  # fmt: skip
_WORD_OPERATORS = {"and": "&&", "or": "||", "in": "in"}
_CONSTANTS = {"true": True, "false": False, "null": None}
_RESERVED = frozenset((*_CONSTANTS, *_WORD_OPERATORS, "not"))
_BARE_WORD = re.compile(r"\w+(?:-\w+)*")
_DEEP = f"the expression is nested more than {MAX_DEPTH} levels deep"


class Parser(TokenReader):
    """Reads one source; `names` holds the notes and references afterwards, `slots` how many variables it takes."""

    def __init__(self, source: str, names: Names) -> None:
        if len(source) > MAX_LENGTH:
            raise ExpressionError(f"the expression is longer than {MAX_LENGTH:,} characters", offset=MAX_LENGTH)
        super().__init__(source)
        self.names = names
        self.slots = 0
        self._level = 0
        self._nodes = 0
        self._scopes = 0
        self._variables: dict[str, tuple[int, Place]] = {}

    def parse(self) -> Node:
        """Return the syntax of the whole source.

        Raises:
            ExpressionError: it is no expression, or names what the scope does not have.
        """
        if self._is_at_end():
            raise ExpressionError("the expression is empty", offset=0)
        node = self._expression()
        if not self._is_at_end():
            raise self._unexpected()
        return node

    def _made(self, node: Node) -> Node:
        self._nodes += 1
        if node.depth > MAX_DEPTH:
            raise ExpressionError(_DEEP, offset=node.offset)
        return node

    # -- operators -----------------------------------------------------------------------------

    def _expression(self) -> Node:
        self._level += 1
        if self._level > MAX_DEPTH:
            raise ExpressionError(_DEEP, offset=self._token.start)
        branches: list[tuple[Node, Node]] = []
        node = self._operators()
        while self._take("?"):
            value = self._operators()
            self._expect(":")
            branches.append((node, value))
            node = self._operators()
        self._level -= 1
        return self._made(Choice(branches, node)) if branches else node

    def _operators(self) -> Node:
        operands: list[Node] = []
        pending: list[tuple[str, int]] = []
        while True:
            while self._is_not():
                pending.append(("not", self._advance().start))
            is_compared = bool(pending) and pending[-1][0] in ("==", "!=")
            operands.append((self._bare_word() if is_compared else None) or self._operand())
            symbol = self._infix()
            level = _LEVELS.get(symbol, 0)
            while pending and _LEVELS[pending[-1][0]] >= level:
                self._reduce(operands, *pending.pop())
            if not symbol:
                return operands[0]
            pending.append((symbol, self._advance().start))

    def _infix(self) -> str:
        token = self._token
        if token.kind == "name":
            return _WORD_OPERATORS.get(str(token.value), "")
        return str(token.value) if token.kind == "symbol" and token.value in _LEVELS else ""

    def _is_not(self) -> bool:
        token = self._token
        if token.kind != "name" or token.value != "not":
            return False
        return not self._is_known("not")

    def _reduce(self, operands: list[Node], symbol: str, offset: int) -> None:
        right = operands.pop()
        if symbol == "not":
            operands.append(self._made(Prefix([("!", offset)], right)))
            return
        left = operands.pop()
        if symbol in ("&&", "||"):
            node = self._logic(symbol, left, right)
        elif _LEVELS[symbol] == 4:
            node = self._comparison(symbol, left, right, offset)
        else:
            node = self._arithmetic(symbol, left, right, offset)
        operands.append(self._made(node))

    def _logic(self, symbol: str, left: Node, right: Node) -> Node:
        if isinstance(left, Logic) and left.symbol == symbol:
            left.extend(right)
            return left
        return Logic(symbol, [left, right])

    def _comparison(self, symbol: str, left: Node, right: Node, offset: int) -> Node:
        if symbol in ("==", "!=") and kinds_differ(left.types, right.types):
            self._note_types(left, right, offset)
        return Comparison(symbol, left, right, offset)

    def _note_types(self, left: Node, right: Node, offset: int) -> None:
        names = ["/".join(sorted(node.types or ())) for node in (left, right)]
        is_text = "string" in (left.types or ()) or "string" in (right.types or ())
        effect = "they are compared as lower-cased text" if is_text else "they are never equal"
        hint = "Compare values of one type; `int(…)`, `double(…)` and `string(…)` convert."
        self.names.note(f"types differ: {names[0]} and {names[1]}; {effect}", hint, offset)

    def _arithmetic(self, symbol: str, left: Node, right: Node, offset: int) -> Node:
        chain = left if isinstance(left, Arithmetic) else Arithmetic(left)
        # A chain runs from left to right, so what binds more tightly must not be pulled into it.
        if chain.rest and _LEVELS[chain.rest[-1][0]] != _LEVELS[symbol]:
            chain = Arithmetic(chain)
        chain.extend(symbol, right, offset)
        return chain

    def _bare_word(self) -> Node | None:
        token = self._token
        if token.kind != "name" or token.value in _RESERVED or self._is_known(str(token.value)):
            return None
        found = _BARE_WORD.match(self._source, token.start)
        if found is None or self._source[found.end() : found.end() + 1] in ("(", ".", "["):
            return None
        self._lexer.position = found.end()
        self._advance()
        word = found.group()
        self.names.note(f"`{word}` is read as text", f'Quote it: "{word}".', token.start)
        return self._made(Literal(token.start, word, "string"))

    def _is_known(self, word: str) -> bool:
        return word in self._variables or self.names.is_root(word)

    # -- operands ------------------------------------------------------------------------------

    def _operand(self) -> Node:
        symbols: list[tuple[str, int]] = []
        while self._token.kind == "symbol" and self._token.value in ("!", "-"):
            token = self._advance()
            symbols.append((str(token.value), token.start))
        is_negative = bool(symbols) and symbols[-1][0] == "-" and self._token.kind == "number"
        node = self._selections(self._number(symbols.pop()[1]) if is_negative else self._primary())
        return self._made(Prefix(symbols[::-1], node)) if symbols else node

    def _number(self, minus: int | None = None) -> Node:
        token = self._advance()
        assert isinstance(token.value, int | float)
        value = token.value if minus is None else -token.value
        if isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
            raise ExpressionError("the whole number does not fit into 64 bits", offset=token.start)
        offset = token.start if minus is None else minus
        return self._made(Literal(offset, value, type_of(value)))

    def _primary(self) -> Node:
        token = self._token
        if token.kind == "number":
            return self._number()
        if token.kind == "text":
            return self._made(Literal(token.start, str(self._advance().value), "string"))
        if token.kind == "name":
            return self._word()
        if self._take("("):
            node = self._expression()
            self._expect(")")
            return node
        if self._at("["):
            return self._list()
        if self._at("{"):
            return self._map()
        raise self._unexpected()

    def _list(self) -> Node:
        offset = self._advance().start
        items: list[Node] = []
        while not self._at("]"):
            items.append(self._expression())
            if not self._take(","):
                break
        self._expect("]")
        return self._made(ListOf(offset, items))

    def _map(self) -> Node:
        offset = self._advance().start
        pairs: list[tuple[Node, Node]] = []
        while not self._at("}"):
            key = self._expression()
            if key.types is not None and "string" not in key.types:
                raise ExpressionError("the keys of objects are text", offset=key.offset)
            self._expect(":")
            pairs.append((key, self._expression()))
            if not self._take(","):
                break
        self._expect("}")
        return self._made(MapOf(offset, pairs))

    def _word(self) -> Node:
        token = self._token
        word = str(token.value)
        follows = self._source[token.end : token.end + 1]
        if word in _CONSTANTS:
            value = _CONSTANTS[str(self._advance().value)]
            return self._made(Literal(token.start, value, type_of(value)))
        if word in self._variables:
            slot, place = self._variables[word]
            self._advance()
            return self._made(Path(token.start, name=word, slot=slot, place=place))
        if self.names.is_root(word) and follows != "(":
            self._advance()
            place, reference = self.names.root(word), self.names.refer(word, token.start)
            return self._made(Path(token.start, name=word, place=place, reference=reference))
        self._advance()
        if self._at("("):
            return self._call(token.start, word, None)
        if word in _RESERVED:
            raise ExpressionError(f"`{word}` is not expected here", offset=token.start)
        raise self.names.unknown_root(word, self._variables, token.start)

    # -- selections ----------------------------------------------------------------------------

    def _selections(self, node: Node) -> Node:
        while True:
            if self._at("."):
                node = self._dot(node)
            elif self._at("["):
                node = self._index(node)
            else:
                return node

    def _dot(self, node: Node) -> Node:
        place = node.place if isinstance(node, Path) else None
        name, offset = self._member(place)
        if self._at("("):
            return self._call(offset, name, node)
        self._nodes += 1
        path = path_from(node)
        select_name(self.names, path, name, offset)
        return path

    def _member(self, place: Place | None) -> tuple[str, int]:
        """Move behind `.` and the name after it."""
        lexer = self._lexer
        start = lexer.skip_blanks()
        end = self.names.declared_end(place, self._source, start) if place else None
        if end is None:
            token = self._token = lexer.next()
            if token.kind == "quoted":
                self._advance()
                return str(token.value), start
            if token.kind != "name":
                hint = "Items of a list are read as `[0]`." if token.kind == "number" else None
                raise self._unexpected("a name is expected after `.`", hint)
            end = token.end
            if place is not None:
                end = self.names.dashed_end(place, self._source, end, self._variables)
                self._note_dash(place, start, token.end, end)
        lexer.position = end
        self._token = lexer.next()
        return self._source[start:end], start

    def _note_dash(self, place: Place, start: int, plain: int, end: int) -> None:
        if end > plain and not place.declared():
            name = self._source[start:end]
            hint = f'Write `["{name}"]` for the name; put blanks around a minus.'
            self.names.note(f"`{name}` is read as one name", hint, start)

    def _index(self, node: Node) -> Node:
        offset = self._advance().start
        index = self._expression()
        self._expect("]")
        self._nodes += 1
        path = path_from(node)
        key = index.value if isinstance(index, Literal) else None
        if isinstance(key, str):
            select_name(self.names, path, key, index.offset)
        elif type(key) is int:
            select_item(path, key, offset)
        else:
            select_computed(path, index, offset)
            self._made(path)
        return path

    # -- calls ---------------------------------------------------------------------------------

    def _call(self, offset: int, name: str, target: Node | None) -> Node:
        if target is not None and name in MACROS:
            return self._macro(offset, name, target)
        if target is None and name in SPECIAL_FORMS:
            return self._special_form(offset, name)
        builtin = BUILTINS.get(name)
        if builtin is None or not (builtin.is_method if target else builtin.is_function):
            raise no_function(name, offset, is_method=target is not None)
        if name == "matches" and not can_match():
            message = '`matches` needs RE2; install it with `pip install "checkpointflow[re2]"`'
            raise ExpressionError(message, offset=offset)
        values = [*([target] if target else []), *self._arguments()]
        check_count(name, len(values), builtin.arity, offset)
        types = builtin.types if name != "dyn" else values[0].types
        return self._made(Call(offset, builtin, values, types))

    def _arguments(self) -> list[Node]:
        self._expect("(")
        values: list[Node] = []
        while not self._at(")"):
            values.append(self._expression())
            if not self._take(","):
                break
        self._expect(")")
        return values

    def _special_form(self, offset: int, name: str) -> Node:
        values = self._arguments()
        check_count(name, len(values), SPECIAL_FORMS[name], offset)
        if name == "default":
            return self._made(Default(offset, values[0], values[1]))
        path = values[0]
        if not isinstance(path, Path) or not path.segments or not isinstance(path.segments[-1].key, str):
            raise ExpressionError("`has` needs a path such as `inputs.name`", offset=path.offset)
        return self._made(Has(offset, path))

    def _macro(self, offset: int, name: str, target: Node) -> Node:
        self._level += 1
        self._expect("(")
        token = self._token
        variable = str(token.value)
        if token.kind != "name" or variable in _RESERVED:
            raise self._unexpected(f"`{name}` needs the name of a variable first")
        self._advance()
        self._expect(",")
        nodes, slot, hidden = self._nodes, self._scopes, self._variables
        self._scopes += 1
        self._variables = {**hidden, variable: (slot, item_place(target))}
        self.slots = max(self.slots, slot + 1)
        bodies = self._macro_bodies()
        self._variables = hidden
        self._scopes -= 1
        self._level -= 1
        if len(bodies) + 1 not in MACROS[name]:
            wanted = " or ".join(map(str, MACROS[name]))
            raise ExpressionError(f"`{name}` takes {wanted} arguments, not {len(bodies) + 1}", offset=offset)
        condition = bodies[0] if len(bodies) == 2 else None
        weight = 1 + ((self._nodes - nodes) >> 3)
        macro = Macro(offset, name=name, target=target, slot=slot, condition=condition, body=bodies[-1], weight=weight)
        return self._made(macro)

    def _macro_bodies(self) -> list[Node]:
        bodies = [self._expression()]
        while self._take(","):
            if self._at(")"):
                break
            bodies.append(self._expression())
        self._expect(")")
        return bodies
