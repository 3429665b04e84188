"""The sentences: why a hole cannot stand in a place, and what to write instead; no decisions here."""

from __future__ import annotations

from checkpointflow.frontends.document.shell.reading import Advice

SCRIPT = "move the script to a file and pass the value with `argv: [bash, script.sh, ${…}]`"
ARGV = "call the program without a shell, `argv: [program, ${…}]`"
ENV = 'set `env: {NAME: ${…}}` on the step and read "$NAME" in the command'
SPLIT = 'put the expansion in double quotes, as in "$NAME"'
DOUBLE_PARENTHESIS = f"{SCRIPT}; if `((` opens two subshells, put a blank between them"
PROGRAM = "write `env` before the command word, so that it can only be a program, or use `argv`"

ARITHMETIC = Advice(
    "in shell arithmetic, which would evaluate its text",
    f"compute in the expression, as in `${{inputs.n + 1}}`, or {SCRIPT}",
)
CONDITIONAL = Advice("in `[[ ]]`, which can evaluate its text", f"write `[ ${{…}} = text ]`, or {SCRIPT}")
BACKTICKS = Advice("in backticks, which read their text twice", "write `$( … )` instead of the backticks")
BRACES = Advice(
    "inside the shell's own `${ }`",
    f'give the default in the expression, as in `${{default(inputs.x, "d")}}`, or {ENV}',
)
ANSI_QUOTE = Advice("in `$'…'`, where backslashes are read", "end the quote before the value, or write '…'")
LOCALE_QUOTE = Advice('in `$"…"`, which the shell translates', 'write "…" without the `$`')
QUOTED_DOCUMENT = Advice(
    "in a here-document whose delimiter is quoted, where nothing is replaced",
    "remove the quotes around the delimiter, or hand the text over with `stdin`",
)
DELIMITER = Advice("in the delimiter of a here-document", "write a fixed delimiter, or hand the text over with `stdin`")
BACKSLASH = Advice(
    "after a backslash, which would take the quoting of the value away",
    "remove the backslash; a literal `${` is written `$${`",
)
DOLLAR = Advice("directly after a `$`", "write a literal dollar sign as '$' in single quotes")
EXTENDED_GLOB = Advice("in an extended pattern such as `@( )`", ENV)
ARRAY = Advice("in an array assignment", f'write `set -- ${{…}}` and read "$@", or {SCRIPT}')
SUBSCRIPT = Advice("in an array subscript, which evaluates its text", SCRIPT)
FUNCTION = Advice("in the name of a function", "write a fixed name")
LOOP_NAME = Advice("as the variable of a loop", "write a fixed name")
DUPLICATE = Advice(
    "after `>&`, where bash expands the value a second time", "write `> ${…} 2>&1` to send both streams there"
)


def among_words_of(name: str) -> Advice:
    """Return why no hole can stand among the words of this builtin."""
    hint = f"{ARGV}, or {SCRIPT}"
    if name in ("local", "declare", "typeset", "readonly"):
        hint = f"assign it apart, as in `NAME=${{…}}`, and name it alone in `{name} NAME`, or {SCRIPT}"
    elif name == "export":
        hint = "write `export NAME=${…}` with a fixed name, or set the step's `env`"
    return Advice(f"among the words of `{name}`, which can evaluate them", hint)
