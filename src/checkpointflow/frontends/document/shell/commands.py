"""Reads commands: lists, pipelines, compound commands, redirections, here-documents; judges none of them."""

from __future__ import annotations

import re

from checkpointflow.frontends.document.shell import advice
from checkpointflow.frontends.document.shell.reading import NAME, Command, Reading, Redirection, Word
from checkpointflow.frontends.document.shell.words import WordReader
from checkpointflow.records import dataclass, field

_OPENERS = {"if": "fi", "while": "done", "until": "done", "{": "}"}
_MIDDLES = {"then": "fi", "elif": "fi", "else": "fi", "do": "done"}
_CLOSERS = frozenset({"fi", "done", "}"})
_REDIRECTION = re.compile(r"<<<|<<-|<<|<>|<&|<|&>>|&>|>>|>&|>\||>")
_CONTROL = re.compile(r"&&|\|\||\|&|[|&;]")
_DESCRIPTOR = re.compile(r"[0-9]+|\{[A-Za-z_].*\}", re.DOTALL)
_ESAC = re.compile(r"esac(?![^ \t\n;&|()<>])")
_TIME_OPTION = re.compile(r"[ \t]+(?:-p|--)(?=[ \t])")
_ARITHMETIC_TESTS = frozenset({"-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-v", "-R"})
_DECLARING = frozenset({"declare", "typeset", "local", "readonly", "export"})


@dataclass(slots=True, kw_only=True)
class _List:
    """A list of commands being read: what ends it, which compounds are open in it, the command so far."""

    closer: str
    open: list[str] = field(default_factory=list)
    command: Command = field(default_factory=Command)


@dataclass(slots=True, kw_only=True)
class _Document:
    """A here-document whose body follows at the next newline."""

    delimiter: str
    is_quoted: bool
    is_stripped: bool
    redirection: Redirection
    start: int


class CommandReader(WordReader):
    """Reads a whole text as commands; what it finds goes into `reading`."""

    def __init__(self, text: str, reading: Reading, *, first_hole: int = 0, base: int | None = None) -> None:
        super().__init__(text, reading, first_hole=first_hole, base=base)
        self._documents: list[_Document] = []

    def read_commands(self, closer: str) -> None:
        """Read commands up to and with `)`, or to the end of the text if there is no closer.

        Raises Unreadable where the text is not complete, or not read alike by all shells.
        """
        start = self.position
        outer, self._documents = self._documents, []
        self._read_list(closer)
        if self._documents:
            raise self.fail("a here-document has no body", self._documents[0].start)
        if outer and "\n" in self.text[start : self.position]:
            raise self.fail("a here-document's line goes on inside `$( )`", outer[0].start)
        self._documents = outer

    def _read_list(self, closer: str) -> None:
        """Read up to the closer: `)`, the end, or in a case (`;;`) its `;;` or `esac`, which is left."""
        current = _List(closer=closer)
        while not self._ends(current):
            char = self.peek()
            if char == "\n":
                self.position += 1
                self._end_command(current)
                self._read_documents()
            elif char == "(":
                self._parenthesis(current)
            elif self._at_redirection():
                self._redirection(current)
            elif char in ";&|":
                self._operator(current)
            else:
                self._word(current)
        self._end_command(current)

    def _ends(self, current: _List) -> bool:
        self.skip_blanks()
        char = self.peek()
        if not char:
            if current.closer or current.open:
                raise self.fail(f"`{(current.open or [current.closer])[-1]}` is missing")
            return True
        if char == ")":
            if current.closer != ")" or current.open:
                raise self.fail("a `)` closes nothing")
            self.position += 1
            return True
        if self.looks_at(";;") or self.looks_at(";&"):
            if current.closer != ";;" or current.open:
                raise self.fail("a `;;` stands outside of `case`")
            return True
        return self._at_esac(current)

    def _at_esac(self, current: _List) -> bool:
        if not _ESAC.match(self.text, self.position, self.end):
            return False
        if not (current.command.is_fresh or current.command.is_closed):
            return False
        if current.closer != ";;" or current.open:
            raise self.fail("an `esac` closes nothing")
        return True

    def _end_command(self, current: _List, *, is_piped: bool = False) -> None:
        done = current.command
        if done.words or done.redirections:
            self.reading.commands.append(done)
        current.command = Command(piped_from=done if is_piped else None)

    def _operator(self, current: _List) -> None:
        match = _CONTROL.match(self.text, self.position, self.end)
        operator = match.group() if match else self.peek()
        self.position += len(operator)
        self._end_command(current, is_piped=operator in ("|", "|&"))

    # -- parentheses -------------------------------------------------------------------------------

    def _parenthesis(self, current: _List) -> None:
        command, start = current.command, self.position
        if command.is_fresh:
            if self.peek(1) == "(":
                self.position += 2
                self.read_arithmetic(start, "`(( ))`")
            else:
                self.position += 1
                with self.nested():
                    self._read_list(")")
            command.is_closed = True
        elif len(command.words) == 1 and not command.redirections and not command.is_closed:
            self._function(current)
        else:
            raise self.fail("a `(` stands where no command can begin")

    def _function(self, current: _List) -> None:
        """Read the `()` of a function's definition; its body is read as the next command."""
        self.reading.refuse_all(current.command.words, advice.FUNCTION)
        self.position += 1
        self.skip_blanks()
        if self.peek() != ")":
            raise self.fail("a `(` stands where no command can begin")
        self.position += 1
        current.command = Command()

    # -- words and reserved words ------------------------------------------------------------------

    def _word(self, current: _List) -> None:
        command = current.command
        start = self.position
        word = self.read_word(may_assign=self._may_assign(command))
        if self.position == start:
            raise self.fail(f"`{self.peek()}` stands where no word can begin")
        if self._is_descriptor(word):
            return
        if command.is_closed:
            self._end_command(current)
            if word.plain not in _CLOSERS and word.plain not in _MIDDLES:
                raise self.fail("a word follows a compound command", start)
        if not current.command.is_fresh or not self._reserved(current, word):
            current.command.words.append(word)

    def _may_assign(self, command: Command) -> bool:
        first = command.command_word
        return first is None or first.text in _DECLARING

    def _is_descriptor(self, word: Word) -> bool:
        """Tell whether a redirection follows directly and the word is its descriptor, as in `2>`."""
        if not self.peek() or self.peek() not in "<>" or not _DESCRIPTOR.fullmatch(word.skeleton):
            return False
        if "[" in word.skeleton:
            self.hazard(advice.SUBSCRIPT_ANYWHERE, word.start)
        return word.plain is not None

    def _reserved(self, current: _List, word: Word) -> bool:
        """Take a reserved word at the start of a command; False if the word is none."""
        name = word.plain or ""
        if name in _OPENERS:
            current.open.append(_OPENERS[name])
        elif name in _MIDDLES:
            if not current.open or current.open[-1] != _MIDDLES[name]:
                raise self.fail(f"`{name}` stands alone", word.start)
        elif name in _CLOSERS:
            if not current.open or current.open.pop() != name:
                raise self.fail(f"`{name}` closes nothing", word.start)
            current.command.is_closed = True
        elif name == "esac":
            raise self.fail("an `esac` closes nothing", word.start)
        elif name in ("!", "time", "case", "for", "select", "function", "[[", "coproc"):
            self._keyword(current, word, name)
        else:
            return False
        return True

    def _keyword(self, current: _List, word: Word, name: str) -> None:
        if name == "time":
            while option := _TIME_OPTION.match(self.text, self.position, self.end):
                self.position = option.end()
        elif name == "case":
            with self.nested():
                self._case(word.start)
            current.command.is_closed = True
        elif name in ("for", "select"):
            self._for(current, word.start)
        elif name == "function":
            self._named_function()
        elif name == "[[":
            self._conditional(word.start)
            current.command.is_closed = True
        elif name == "coproc":
            raise self.fail("`coproc` is not read here", word.start)

    def _named_function(self) -> None:
        self.skip_blanks()
        name = self.read_word()
        self.reading.refuse_all([name], advice.FUNCTION)
        self.skip_blanks()
        if self.peek() == "(":
            self.position += 1
            self.skip_blanks()
            if self.peek() != ")":
                raise self.fail("a `(` stands where no command can begin")
            self.position += 1

    # -- compound commands -------------------------------------------------------------------------

    def _skip_lines(self) -> None:
        self.skip_blanks()
        while self.peek() == "\n":
            self.position += 1
            self._read_documents()
            self.skip_blanks()

    def _case(self, start: int) -> None:
        self.skip_blanks()
        self.read_word()
        self._skip_lines()
        if self.read_word().plain != "in":
            raise self.fail("a `case` has no `in`", start)
        while not self._case_pattern(start):
            self._read_list(";;")
            if self.looks_at(";"):
                self.position += 3 if self.looks_at(";;&") else 2

    def _case_pattern(self, start: int) -> bool:
        """Read the patterns of a clause and their `)`; True if there is `esac` in their place."""
        self._skip_lines()
        has_parenthesis = self.peek() == "("
        if has_parenthesis:
            self.position += 1
            self.skip_blanks()
        first = self.read_word()
        if first.plain == "esac" and not has_parenthesis:
            return True
        self.skip_blanks()
        while self.peek() == "|":
            self.position += 1
            self.skip_blanks()
            self.read_word()
            self.skip_blanks()
        if self.peek() != ")":
            raise self.fail("a `case` is not closed by `esac`", start)
        self.position += 1
        return False

    def _for(self, current: _List, start: int) -> None:
        """Read the head of a loop; what follows is read as `do … done` by the list around it."""
        current.open.append("done")
        self.skip_blanks()
        if self.looks_at("(("):
            at = self.position
            self.position += 2
            self.read_arithmetic(at, "`for (( ))`")
            return
        variable = self.read_word()
        self.reading.refuse_all([variable], advice.LOOP_NAME)
        if not variable.holes and not NAME.fullmatch(variable.plain or ""):
            raise self.fail("a loop has no variable", start)
        self.reading.commands.append(Command(words=[_assignment_of(variable)]))
        self._skip_lines()
        if self.peek() == ";":
            return
        following = self.read_word()
        if following.plain == "in":
            self._loop_words()
        elif following.plain != "do":
            raise self.fail("a loop has neither `in` nor `do`", start)

    def _loop_words(self) -> None:
        self.skip_blanks()
        while self.peek() and self.peek() not in ";\n":
            at = self.position
            self.read_word()
            if self.position == at:
                raise self.fail("an operator stands among the words of a loop")
            self.skip_blanks()

    def _conditional(self, start: int) -> None:
        """Read `[[ … ]]`, where parentheses, `<` and `&&` are operators of its own."""
        with self.nested(advice.CONDITIONAL):
            while True:
                self._skip_lines()
                at = self.position
                word = self.read_word()
                if word.plain == "]]":
                    return
                if word.text in _ARITHMETIC_TESTS:
                    self.hazard(advice.CONDITIONAL_ANYWHERE, start, word.text)
                if self.position > at:
                    continue
                if not self.peek() or self.peek() == ";":
                    raise self.fail("a `[[` is not closed by `]]`", start)
                self.position += 1

    # -- redirections ------------------------------------------------------------------------------

    def _at_redirection(self) -> bool:
        if self.peek() in "<>":
            return self.peek(1) != "("
        if not self.looks_at("&>"):
            return False
        if self.reading.shell != "bash":
            raise self.fail("`&>` is a redirection in bash only; write `> file 2>&1`")
        return True

    def _redirection(self, current: _List) -> None:
        start = self.position
        match = _REDIRECTION.match(self.text, self.position, self.end)
        operator = match.group() if match else ""
        self.position += len(operator)
        self.skip_blanks()
        at = self.position
        target = self.read_word()
        if self.position == at:
            raise self.fail("a redirection has no target", start)
        redirection = Redirection(operator=operator, target=target)
        current.command.redirections.append(redirection)
        if operator in ("<<", "<<-"):
            self._document(redirection, self.text[at : self.position], at)
        elif operator == ">&" and target.is_dynamic:
            # Bash hands the expanded word to `&>` and expands it once more there, substitutions and all.
            self.hazard(advice.DUPLICATE_ANYWHERE, start)
            self.reading.refuse_all([target], advice.DUPLICATE)

    def _document(self, redirection: Redirection, raw: str, at: int) -> None:
        target = redirection.target
        self.reading.refuse_all([target], advice.DELIMITER)
        is_quoted = any(char in raw for char in "'\"\\")
        unclear = "$" in raw or "`" in raw or "\n" in target.text or not (target.text or is_quoted)
        if unclear or not (target.is_literal or target.holes):
            raise self.fail("a here-document's delimiter is not plain text", at)
        self._documents.append(
            _Document(
                delimiter=target.text,
                is_quoted=is_quoted,
                is_stripped=redirection.operator == "<<-",
                redirection=redirection,
                start=at,
            )
        )

    def _read_documents(self) -> None:
        """Read the bodies of the here-documents announced on the line that has just ended."""
        documents, self._documents = self._documents, []
        for document in documents:
            start = self.position
            stop, after = self._find_delimiter(document)
            if document.is_quoted:
                self.refuse_between(start, stop, advice.QUOTED_DOCUMENT)
            else:
                document.redirection.body = self._read_body(start, stop)
            self.position = after

    def _read_body(self, start: int, stop: int) -> Word:
        end, self.end = self.end, stop
        body = Word(start=self.offset(start))
        self.read_double(body, closer="")
        self.end = end
        body.holes = self.holes_between(start, stop)
        return body

    def _find_delimiter(self, document: _Document) -> tuple[int, int]:
        """Return where the body ends and where the text goes on after the delimiter's line."""
        at = self.position
        while at < self.end:
            line, after = self._logical_line(at, joins=not document.is_quoted)
            plain = line.lstrip("\t") if document.is_stripped else line
            if plain == document.delimiter:
                if after - at > len(line) + 1:
                    raise self.fail("a here-document's delimiter is continued over lines", document.start)
                return at, after
            at = after
        raise self.fail(f"the here-document `{document.delimiter}` is not closed", document.start)

    def _logical_line(self, at: int, *, joins: bool) -> tuple[str, int]:
        """Return a line with those joined to it by backslashes, and where the next one begins."""
        joined = ""
        while True:
            newline = self.text.find("\n", at, self.end)
            line = self.text[at : self.end if newline < 0 else newline]
            after = self.end if newline < 0 else newline + 1
            trailing = len(line) - len(line.rstrip("\\"))
            if not joins or trailing % 2 == 0 or newline < 0:
                return joined + line, after
            joined, at = joined + line[:-1], after


def _assignment_of(variable: Word) -> Word:
    """Return the word that a loop's head amounts to: an assignment of what is known only at run time."""
    word = Word(start=variable.start)
    word.add("bare", f"{variable.text}=")
    word.add("many")
    return word
