"""Reads words: quotes, expansions and the places of holes in them; commands are read by `commands.py`."""

from __future__ import annotations

import re
from collections.abc import Callable

from checkpointflow.frontends.document.shell import advice
from checkpointflow.frontends.document.shell.cursor import IN_DOUBLE, IN_SINGLE, UNQUOTED, Cursor
from checkpointflow.frontends.document.shell.reading import EVALUATED_NAMES, MARK, NAME, Word

_BREAKS = frozenset(" \t\n;&|()<>")
_SPECIAL = "@*#?$!-0123456789"
_EXPANSION = re.compile(
    r"(?P<length>#?)(?P<name>[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?$!-])"
    r"(?P<subscript>\[[^\]]*\])?(?P<rest>.*)",
    re.DOTALL,
)
_RUN = re.compile(r"[A-Za-z0-9_]+")
_QUOTED_RUN = re.compile(r"""[^\\"`$\0]+""")
_ARRAY_HEAD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_FIXED_SUBSCRIPT = re.compile(r"\[(?:-?[0-9]+|[@*])\]")
_FIXED_SLICE = re.compile(r":\s*-?[0-9]*\s*(?::\s*-?[0-9]*\s*)?")


class WordReader(Cursor):
    """Reads words at the cursor."""

    # -- words -------------------------------------------------------------------------------------

    def read_word(self, *, may_assign: bool = False) -> Word:
        """Read up to the blank or operator that ends the word; with `may_assign`, `a[i]=…` and `a=( )` too."""
        word = Word(start=self.offset())
        while char := self.peek():
            if char == "[" and may_assign and not word.is_subscripted and NAME.fullmatch(word.plain or ""):
                self._subscript(word)
            elif char in "<>" and self.peek(1) == "(":
                self._process(word)
            elif char == "(" and word.segments and self._opens_pattern(word):
                self._extended_glob(word)
            elif char == "(" and _ARRAY_HEAD.fullmatch(word.plain or ""):
                self._array(word)
            elif char in _BREAKS:
                break
            else:
                self.read_piece(word)
        return word

    def read_piece(self, word: Word) -> None:
        """Read one unquoted character, quoted stretch, expansion or hole of a word."""
        if run := _RUN.match(self.text, self.position, self.end):
            word.add("bare", run.group())
            self.position = run.end()
            return
        readers: dict[str, Callable[[Word], None]] = {
            MARK: lambda w: self.place(UNQUOTED, w),
            "\\": self._escaped,
            "'": self._single,
            '"': self._double,
            "`": lambda w: self._backticks(w, is_quoted=False),
            "$": lambda w: self._dollar(w, is_quoted=False),
        }
        if reader := readers.get(self.peek()):
            reader(word)
            return
        word.add("bare", self.peek())
        self.position += 1

    def read_commands(self, closer: str) -> None:
        """Read commands up to and with the closer; the reader of commands knows how."""
        raise NotImplementedError

    # -- quotes ------------------------------------------------------------------------------------

    def _escaped(self, word: Word) -> None:
        following = self.peek(1)
        if following == "\n":
            self.continuation()
            return
        self.position += 1
        if following == MARK:
            self.place(UNQUOTED, word, advice.BACKSLASH)
            return
        word.add("quoted", following or "\\")
        self.position += len(following)

    def _single(self, word: Word) -> None:
        start = self.position
        self.position += 1
        begin = self.position
        while self.peek() != "'":
            if not self.peek():
                raise self.fail("a single quote is not closed", start)
            if self.peek() == MARK:
                word.add("quoted", self.text[begin : self.position])
                self.place(IN_SINGLE, word)
                begin = self.position
                continue
            self.position += 1
        word.add("quoted", self.text[begin : self.position])
        self.position += 1

    def _double(self, word: Word) -> None:
        start = self.position
        self.position += 1
        word.add("quoted")
        self.read_double(word, closer='"')
        if self.peek() != '"':
            raise self.fail("a double quote is not closed", start)
        self.position += 1

    def read_double(self, word: Word, *, closer: str) -> None:
        """Read text in double quotes up to the closer, or a here-document's body up to the end (no closer)."""
        while (char := self.peek()) and char != closer:
            if char == MARK:
                self.place(IN_DOUBLE, word)
            elif char == "\\":
                self._escaped_in_double(word)
            elif char == "`":
                self._backticks(word, is_quoted=True)
            elif char == "$":
                self._dollar(word, is_quoted=True, in_document=not closer)
            else:
                run = _QUOTED_RUN.match(self.text, self.position, self.end)
                word.add("quoted", run.group() if run else char)
                self.position += len(word.segments[-1].text)

    def _escaped_in_double(self, word: Word) -> None:
        following = self.peek(1)
        if following == "\n":
            if self.position and self.text[self.position - 1] == "$":
                raise self.fail("a line is continued after a dollar sign")
            self.position += 2
            return
        self.position += 1
        if following == MARK:
            self.place(IN_DOUBLE, word, advice.BACKSLASH)
            return
        word.add("quoted", following if following and following in '$`"\\' else "\\" + following)
        self.position += len(following)

    def _ansi(self, word: Word) -> None:
        start = self.position
        self.position += 2
        has_backslash = False
        while self.peek() != "'":
            if not self.peek():
                raise self.fail("a `$'` is not closed", start)
            if self.peek() == MARK:
                self.place(UNQUOTED, word, advice.ANSI_QUOTE)
                continue
            has_backslash = has_backslash or self.peek() == "\\"
            self.position += 2 if self.peek() == "\\" and self.peek(1) != MARK else 1
        self.position += 1
        if has_backslash and self.reading.shell != "bash":
            raise self.fail("`$'…'` with a backslash ends elsewhere in another shell", start)
        word.add("one")

    def _backticks(self, word: Word, *, is_quoted: bool) -> None:
        start = self.position
        self.position += 1
        while self.peek() != "`":
            if not self.peek():
                raise self.fail("a backtick is not closed", start)
            self.position += 2 if self.peek() == "\\" else 1
        inner = self.text[start + 1 : self.position]
        self.refuse_between(start, self.position, advice.BACKTICKS)
        if is_quoted and '\\"' in inner:
            raise self.fail("backticks in double quotes hold an escaped quote", start)
        self.position += 1
        with self.nested(advice.BACKTICKS):
            self._read_apart(re.sub(r"\\([$`\\])", r"\1", inner.replace(MARK, "x")), start)
        word.add("one" if is_quoted else "many")

    def _read_apart(self, text: str, start: int) -> None:
        reader = type(self)(text, self.reading, base=self.offset(start))
        reader.depth = self.depth
        reader.read_commands("")

    # -- dollars -----------------------------------------------------------------------------------

    def _dollar(self, word: Word, *, is_quoted: bool, in_document: bool = False) -> None:
        following = self.peek(1)
        if following == "(":
            self._parenthesised(word, is_quoted=is_quoted)
        elif following == "{":
            self._braces(word, is_quoted=is_quoted, in_document=in_document)
        elif following == "[":
            raise self.fail("`$[ ]` is arithmetic in some shells only; write `$(( ))`")
        elif following == "\\" and self.peek(2) == "\n":
            raise self.fail("a line is continued after a dollar sign")
        elif following == "'" and not is_quoted:
            self._ansi(word)
        elif following == '"' and not is_quoted:
            self.position += 1
            with self.nested(advice.LOCALE_QUOTE):
                self._double(word)
            word.add("one")
        elif following == MARK:
            self.position += 1
            self.place(IN_DOUBLE if is_quoted else UNQUOTED, word, advice.DOLLAR)
        else:
            self._variable(word, is_quoted=is_quoted)

    def _variable(self, word: Word, *, is_quoted: bool) -> None:
        match = NAME.match(self.text, self.position + 1, self.end)
        name = match.group() if match else self.peek(1)
        if not match and (not name or name not in _SPECIAL):
            word.add("quoted", "$")
            self.position += 1
            return
        self.position += 1 + len(name)
        word.names.append(name)
        self._expansion(word, name, is_quoted=is_quoted)

    def _expansion(self, word: Word, name: str, *, is_quoted: bool) -> None:
        if name in ("#", "?", "$", "!"):
            word.add("number", "0")
        else:
            word.add("one" if is_quoted and name != "@" else "many")

    def _parenthesised(self, word: Word, *, is_quoted: bool) -> None:
        start = self.position
        if self.peek(2) == "(":
            self.position += 3
            self.read_arithmetic(start, "`$(( ))`")
            word.add("number", "0")
            return
        self.position += 2
        with self.nested():
            self.read_commands(")")
        word.add("one" if is_quoted else "many")

    def read_arithmetic(self, start: int, what: str) -> None:
        """Read past the double parenthesis that closes arithmetic; the opening one was taken already."""
        self.hazard(advice.ARITHMETIC_ANYWHERE, start, what)
        depth = 2
        with self.nested(advice.ARITHMETIC):
            while depth:
                char = self.peek()
                if not char or char == "'" or (char == ")" and depth == 2 and self.peek(1) != ")"):
                    raise self.fail(f"{what} is not closed by `))`", start)
                depth += (char == "(") - (char == ")")
                if char in "()":
                    self.position += 1
                else:
                    self.read_piece(Word(start=self.position))

    def _braces(self, word: Word, *, is_quoted: bool, in_document: bool) -> None:
        start = self.position
        self.position += 2
        if (first := self.peek()) and first in " \t\n|(":
            raise self.fail("`${ }` does not begin with a name", start)
        with self.nested(advice.BRACES):
            while (char := self.peek()) != "}":
                if not char:
                    raise self.fail("a `${` is not closed", start)
                # Shells differ in what a quote means in there when quotes stand around it.
                if (char == "'" and is_quoted) or (char == '"' and in_document):
                    raise self.fail("quotes inside a quoted `${ }` are read differently by shells")
                if char in "<>" and self.peek(1) == "(":
                    raise self.fail("a process substitution stands inside `${ }`")
                if char == "$":
                    self._dollar(Word(start=start), is_quoted=is_quoted, in_document=in_document)
                else:
                    self.read_piece(Word(start=start))
        inner = self.text[start + 2 : self.position]
        self.position += 1
        self._judge_expansion(word, inner, start, is_quoted=is_quoted)

    def _judge_expansion(self, word: Word, inner: str, start: int, *, is_quoted: bool) -> None:
        match = _EXPANSION.fullmatch(inner)
        if match is None or (inner.startswith("!") and inner != "!"):
            self.hazard(advice.INDIRECT, start)
            word.add("many")
            return
        word.names.append(match["name"])
        subscript, rest = match["subscript"] or "", match["rest"]
        if "[" in (subscript + rest)[:1] and not _FIXED_SUBSCRIPT.fullmatch(subscript):
            self.hazard(advice.SUBSCRIPT_ANYWHERE, start)
        if rest.startswith(":") and rest[1:2] not in ("-", "=", "?", "+") and not _FIXED_SLICE.fullmatch(rest):
            self.hazard(advice.SUBSTRING, start)
        if rest.startswith("@P"):
            self.hazard(advice.PROMPT, start)
        if rest.startswith(("=", ":=")) and match["name"] in EVALUATED_NAMES:
            self.hazard(advice.EVALUATED, start, match["name"])
        if match["length"] and not rest:
            word.add("number", "0")
        else:
            name = "@" if "@" in subscript else match["name"] + rest[:1]
            self._expansion(word, name, is_quoted=is_quoted and match["name"] != "@")

    # -- what bash adds to words -------------------------------------------------------------------

    def _process(self, word: Word) -> None:
        self.position += 2
        with self.nested():
            self.read_commands(")")
        word.is_process = True
        word.add("one")

    def _opens_pattern(self, word: Word) -> bool:
        if self.text[self.position - 1] not in "?*+@!" or word.segments[-1].kind != "bare":
            return False
        if word.plain == "!":
            raise self.fail("`!(` is a pattern in some shells (put a blank between them)")
        return True

    def _extended_glob(self, word: Word) -> None:
        start = self.position
        self.position += 1
        depth = 1
        with self.nested(advice.EXTENDED_GLOB):
            while depth:
                char = self.peek()
                if not char or char in "\n;&<>":
                    raise self.fail("a pattern's parenthesis is not closed", start)
                depth += (char == "(") - (char == ")")
                if char in "()":
                    self.position += 1
                else:
                    self.read_piece(word)
        word.add("many")

    def _subscript(self, word: Word) -> None:
        start = self.position
        with self.nested(advice.SUBSCRIPT):
            self.read_piece(word)
            while (char := self.peek()) != "]":
                if not char or char in _BREAKS:
                    raise self.fail("an array subscript is not closed", start)
                self.read_piece(word)
            self.read_piece(word)
        if not _FIXED_SUBSCRIPT.fullmatch(self.text[start : self.position]):
            self.hazard(advice.SUBSCRIPT_ANYWHERE, start)
        word.is_subscripted = self.peek() == "=" or self.looks_at("+=")

    def _array(self, word: Word) -> None:
        start = self.position
        self.position += 1
        word.is_array = self.reading.has_arrays = True
        with self.nested(advice.ARRAY):
            while self.peek() != ")":
                if not self.peek():
                    raise self.fail("an array assignment is not closed", start)
                self._array_element()
        self.position += 1
        word.add("quoted")

    def _array_element(self) -> None:
        self.skip_blanks()
        if self.peek() == "\n":
            self.position += 1
        elif (char := self.peek()) and char in ";&|(":
            raise self.fail("an array assignment holds an operator")
        elif char and char != ")":
            at = self.position
            element = self.read_word()
            if element.skeleton.startswith("["):
                self.hazard(advice.SUBSCRIPT_ANYWHERE, at)
            if self.position == at:
                raise self.fail("an array assignment holds an operator")
