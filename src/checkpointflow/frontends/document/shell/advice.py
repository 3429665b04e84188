"""The tables of refusals: where no hole can stand, what rules holes out, what to write instead; no decisions here."""

from __future__ import annotations

from checkpointflow.frontends.document.shell.reading import Advice, Construct

SCRIPT = "move the script to a file and pass the value with `argv: [bash, script.sh, ${…}]`"
ARGV = "call the program without a shell, `argv: [program, ${…}]`"
ENV = 'set `env: {NAME: ${…}}` on the step and read "$NAME" in the command'
SPLIT = 'put the expansion in double quotes, as in "$NAME"'
DOUBLE_PARENTHESIS = f"{SCRIPT}; if `((` opens two subshells, put a blank between them"
PROGRAM = "write `env` before the command word, so that it can only be a program, or use `argv`"

# -- places where no value can stand ---------------------------------------------------------------

ARITHMETIC = Advice(
    "in shell arithmetic, which would evaluate its text",
    f"compute in the expression, as in `${{inputs.n + 1}}`, or {SCRIPT}",
    "echo $(( ${…} + 1 ))",
)
CONDITIONAL = Advice(
    "in `[[ ]]`, which can evaluate its text", f"write `[ ${{…}} = text ]`, or {SCRIPT}", "[[ ${…} == home ]]"
)
BACKTICKS = Advice(
    "in backticks, which read their text twice", "write `$( … )` instead of the backticks", "echo `basename ${…}`"
)
BRACES = Advice(
    "inside the shell's own `${ }`",
    f'give the default in the expression, as in `${{default(inputs.x, "d")}}`, or {ENV}',
    "echo $${PAGE:-${…}}",
)
ANSI_QUOTE = Advice(
    "in `$'…'`, where backslashes are read", "end the quote before the value, or write '…'", "echo $'page: ${…}'"
)
LOCALE_QUOTE = Advice('in `$"…"`, which the shell translates', 'write "…" without the `$`', 'echo $"page: ${…}"')
QUOTED_DOCUMENT = Advice(
    "in a here-document whose delimiter is quoted, where nothing is replaced",
    "remove the quotes around the delimiter, or hand the text over with `stdin`",
    "cat <<'END'\n${…}\nEND\n",
)
DELIMITER = Advice(
    "in the delimiter of a here-document",
    "write a fixed delimiter, or hand the text over with `stdin`",
    "cat <<END${…}\ntext\nEND\n",
)
BACKSLASH = Advice(
    "after a backslash, which would take the quoting of the value away",
    "remove the backslash; a literal `${` is written `$${`",
    "echo \\${…}",
)
DOLLAR = Advice("directly after a `$`", "write a literal dollar sign as '$' in single quotes", "echo $${…}")
EXTENDED_GLOB = Advice("in an extended pattern such as `@( )`", ENV, "ls @(${…}|other)")
ARRAY = Advice("in an array assignment", f'write `set -- ${{…}}` and read "$@", or {SCRIPT}', "pages=(${…} other)")
SUBSCRIPT = Advice("in an array subscript, which evaluates its text", SCRIPT, "pages[${…}]=home")
FUNCTION = Advice("in the name of a function", "write a fixed name", "${…}() { echo home; }")
LOOP_NAME = Advice("as the variable of a loop", "write a fixed name", "for ${…} in a b; do echo x; done")
DUPLICATE = Advice(
    "after `>&`, where bash expands the value a second time",
    "write `> ${…} 2>&1` to send both streams there",
    "echo home >& ${…}",
)

PLACES = (
    ARITHMETIC, CONDITIONAL, BACKTICKS, BRACES, ANSI_QUOTE, LOCALE_QUOTE, QUOTED_DOCUMENT, DELIMITER, BACKSLASH,
    EXTENDED_GLOB, ARRAY, SUBSCRIPT, FUNCTION, LOOP_NAME, DUPLICATE,
)  # fmt: skip
"""All that a document can write, save for the words of builtins, which `among_words_of` tells.

`DOLLAR` is none of them: in a document `$${` is a literal `${`, so nothing stands directly after a `$`.
"""


def among_words_of(name: str) -> Advice:
    """Return why no hole can stand among the words of this builtin."""
    hint = f"{ARGV}, or {SCRIPT}"
    if name in ("local", "declare", "typeset", "readonly"):
        hint = f"assign it apart, as in `NAME=${{…}}`, and name it alone in `{name} NAME`, or {SCRIPT}"
    elif name == "export":
        hint = "write `export NAME=${…}` with a fixed name, or set the step's `env`"
    closer = " ]" if name.startswith("[") else ""
    return Advice(f"among the words of `{name}`, which can evaluate them", hint, f"{name} ${{…}}{closer}")


# -- constructs that rule out values in the whole text ---------------------------------------------

ARITHMETIC_ANYWHERE = Construct("arithmetic, {name}", DOUBLE_PARENTHESIS, "n=$(( 5 - 2 )); echo ${…}")
CONDITIONAL_ANYWHERE = Construct(
    "`[[ … {name} … ]]`", 'write `[ "$NAME" … ]` instead of `[[ ]]`', '[[ "$N" -eq 5 ]]; echo ${…}'
)
SUBSCRIPT_ANYWHERE = Construct("an array subscript", SCRIPT, "echo $${PAGES[N]} ${…}")
INDIRECT = Construct("an indirect expansion, `${{!NAME}}`", SCRIPT, "echo $${!NAME} ${…}")
SUBSTRING = Construct("a substring whose place is computed, `${{NAME:…}}`", SCRIPT, "echo $${NAME:N} ${…}")
PROMPT = Construct("`${{NAME@P}}`", SCRIPT, "echo $${NAME@P} ${…}")
EVALUATED = Construct("an assignment of `{name}`", "use another variable", 'PS4="$NAME"; echo ${…}')
MANY_COMMANDS = Construct("a command word that is expanded without quotes", PROGRAM, "$TOOL ${…}")
UNKNOWN_COMMAND = Construct("a command word known only at run time, with values after it", PROGRAM, '"$TOOL" ${…}')
BUILTIN = Construct("`{name}`", SCRIPT, 'eval "$LINE"; echo ${…}')
NAMED_AT_RUN_TIME = Construct("`{name}` with a name that is not a fixed one", SCRIPT, 'read -r "$NAME"; echo ${…}')
DECLARED_ARRAY = Construct("`{name}` of an array", SCRIPT, "declare PAGES=(a b); echo ${…}")
DECLARED_SPLIT = Construct("`{name}` with an unquoted expansion", SPLIT, "export PAGE=$NAME; echo ${…}")
DECLARED_UNCLEAR = Construct("`{name}` of what may be an array", SCRIPT, 'pages=(a b); export pages="$NAME"; echo ${…}')
TEST_SPLIT = Construct("an unquoted expansion in `{name}`", SPLIT, "[ $NAME = home ]; echo ${…}")
TEST_OPERATOR = Construct(
    "an operator known only at run time in `{name}`", SCRIPT, '[ "$LEFT" "$OPERATOR" home ]; echo ${…}'
)
PRINTF_FORMAT = Construct(
    "`{name}` whose format is known only at run time",
    "begin with a fixed format, as in `printf '%s\\n' ${…}`",
    'printf "$FORMAT" home; echo ${…}',
)
TRAP_UNKNOWN = Construct("`trap` with an action known only at run time", SCRIPT, 'trap "$ACTION" EXIT; echo ${…}')
TRAP_EVALUATES = Construct(
    "`trap` with an action that can evaluate a value", SCRIPT, "trap 'eval \"$LINE\"' EXIT; echo ${…}"
)
SOURCE = Construct("`{name}` of what is not a fixed file", SCRIPT, '. "$FILE"; echo ${…}')
WAIT_OPTIONS = Construct(
    "`{name}` with options known only at run time", 'write `wait -- "$NAME"`', 'wait "$CHILD"; echo ${…}'
)
DUPLICATE_ANYWHERE = Construct(
    "`>&` before an expansion", "write `> FILE 2>&1`, or a fixed descriptor", 'echo home >& "$FILE"; echo ${…}'
)

CONSTRUCTS = (
    ARITHMETIC_ANYWHERE, CONDITIONAL_ANYWHERE, SUBSCRIPT_ANYWHERE, INDIRECT, SUBSTRING, PROMPT, EVALUATED,
    MANY_COMMANDS, UNKNOWN_COMMAND, BUILTIN, NAMED_AT_RUN_TIME, DECLARED_ARRAY, DECLARED_SPLIT, DECLARED_UNCLEAR,
    TEST_SPLIT, TEST_OPERATOR, PRINTF_FORMAT, TRAP_UNKNOWN, TRAP_EVALUATES, SOURCE, WAIT_OPTIONS, DUPLICATE_ANYWHERE,
)  # fmt: skip
"""All of them."""
