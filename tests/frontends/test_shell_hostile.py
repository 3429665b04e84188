"""Values of every nasty kind, through real shells: they arrive byte for byte and nothing of them runs."""

from __future__ import annotations

import os
import random
import shutil
import string
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from checkpointflow.frontends.document.shell import Hole, ShellRefused, evaluating_construct, place_values

RUNNERS = {
    "dash": ["dash"],
    "bash": ["bash"],
    "bash as sh": ["bash", "--posix"],
}
PARTS = Sequence[str | Hole]

VALUES: list[bytes] = [
    b"",
    b"plain",
    b"two  words",
    b" lead and trail ",
    b"$(touch canary)",
    b"`touch canary`",
    b"; touch canary;",
    b"& touch canary &",
    b"| touch canary",
    b"'; touch canary; '",
    b'"; touch canary; "',
    b"'\"; touch canary; \"'",
    b"\ntouch canary\n",
    b") touch canary",
    b";; esac; touch canary",
    b"}; touch canary; {",
    b"a[$(touch canary)]",
    b"x[$(touch canary)]=1",
    b"-va[$(touch canary)]",
    b"([$(touch canary)]=1)",
    b"() { :; }; touch canary",
    b"> canary",
    b"E\ntouch canary\n",
    b"\nE\nEOF\ntouch canary",
    b"${x:-$(touch canary)}",
    b"$((a[$(touch canary)]))",
    b"$'\\x24(touch canary)'",
    b"eval touch canary",
    b"${CPF_VALUE_1}${HOME}$HOME$$",
    b"\\",
    b"\\\\n\\t\\0",
    b"\\'\\\"\\`\\$",
    b"'",
    b'"',
    b"\"''\"",
    b"#x # y",
    b"!! !x",
    b"* ? [a-z] .*",
    b"{a,b} {1..3}",
    b"~ ~root ~/x",
    b"-n",
    b"-e\\n",
    b"--",
    b"%s%n%%",
    b"=x",
    b"a=b",
    b"\t\ttabs",
    b"a\r\nb\r",
    b"\n\n",
    b"x\n",
    b"\x01\x7f\x81\x82\x88\x01",
    "é\u2028\u00a0日本 😀".encode(),
    b"\xff\xfe\xc3",
    bytes(range(1, 256)),
]


def hole(name: str) -> Hole:
    return Hole(source=name, numeric=False, offset=0)


def run(runner: str, text: str, environment: dict[str, bytes], folder: Path) -> bytes:
    """Run a text in an empty folder and return what it printed; anything left in the folder is a failure."""
    names = {key.encode(): value for key, value in environment.items()}
    path = os.environ.get("PATH", os.defpath).encode()
    done = subprocess.run(
        [*RUNNERS[runner], "-c", text],
        env={b"PATH": path, b"HOME": b"/nonexistent", b"LC_ALL": b"C.UTF-8", **names},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == b"", done.stderr[:2000]
    assert sorted(item.name for item in folder.iterdir()) == []
    return done.stdout


@pytest.fixture(params=sorted(RUNNERS))
def runner(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if shutil.which(RUNNERS[name][0]) is None:
        pytest.skip(f"no {name} here")
    return name


# -- every place -----------------------------------------------------------------------------------

V = hole("v")
PLACES: list[tuple[PARTS, str]] = [
    (["printf '%s.' ", V], "«»."),
    (["printf '%s.' --x=", V, ".json"], "--x=«».json."),
    (["printf '%s.' ", V, V], "«»«»."),
    (["printf '%s.' \"a'", V, 'b"'], "a'«»b."),
    (["printf '%s.' 'a\"\\", V, "b$'"], 'a"\\«»b$.'),
    (["printf '%s.' ''", V, '""'], "«»."),
    (["X=", V, "; printf '%s.' \"$X\""], "«»."),
    (["X=a", V, '"b', V, '"; Y=$X; printf \'%s.\' "$Y"'], "a«»b«»."),
    (["X=~", V, "; printf '%s.' \"$X\""], "~«»."),
    (["export X=", V, "; printf '%s.' \"$X\""], "«»."),
    (["X=", V, " env sh -c 'printf %s. \"$X\"'"], "«»."),
    (["printf '%s.' ~", V], "~«»."),
    (["printf '%s.' {", V, "}"], "{«»}."),
    (["printf '%s.' \"$(printf '%s.' ", V, ')"'], "«».."),
    (["printf '%s.' \"$(printf '%s.' \"$(printf '%s.' '", V, '\')")"'], "«»..."),
    (["X=$(printf '%s.' ", V, "); printf '%s.' \"$X\""], "«».."),
    (["X=$(case x in x) printf '%s.' ", V, ";; esac) # it's )\nprintf '%s.' \"$X\""], "«».."),
    (["X=$(# it's \" ", V, " )\nprintf '%s.' ", V, ")\nprintf '%s.' \"$X\""], "«».."),
    (["cat <<E\na'\"", V, "\"'b\nE"], "a'\"«»\"'b\n"),
    (["cat <<-E\n\t", V, "\n\tE"], "«»\n"),
    (["cat <<E; cat <<'F'; cat <<G\n", V, "\nE\n$(x `\nF\n", V, "\nG"], "«»\n$(x `\n«»\n"),
    (["cat <<E\n$(printf '%s.' ", V, ' ")")\nE'], "«».).\n"),
    (["X=$(cat <<E\n' )", V, ".\nE\n)\nprintf '%s.' \"$X\""], "' )«».."),
    (["case ", V, " in ", V, ") printf yes;; *) printf no;; esac"], "yes"),
    (["case x", V, 'y in "x', V, "\"'y') printf yes;; *) printf no;; esac"], "yes"),
    (["for i in ", V, ' b"', V, '"; do printf \'%s.\' "$i"; done'], "«».b«»."),
    (["set -- ", V, "; printf '%s.' $# \"$@\""], "1.«»."),
    (["f() { printf '%s.' \"$1\"; }; f ", V], "«»."),
    (["f() ( printf '%s.' ", V, " ); f"], "«»."),
    (["[ ", V, " = '", V, "' ] && printf yes"], "yes"),
    (['if [ x = "', V, '" ]; then printf no; else printf yes; fi'], "yes"),
    (["# ", V, " it's \"\nprintf yes"], "yes"),
    (["printf '%s.' \\\n  ", V, " \\\n  x"], "«».x."),
    (["{ printf '%s.' ", V, "; } | (cat)"], "«»."),
    (["while :; do printf '%s.' ", V, "; break; done"], "«»."),
    (["! printf '%s.' ", V, " || printf '%s.' ", V], "«».«»."),
    (["command printf '%s.' ", V], "«»."),
    (["env printf '%s.' ", V], "«»."),
    (["printf '%s.' a > /dev/null ", V, "; printf '%s.' ", V], "«»."),
    (["trap 'printf bye' EXIT; printf '%s.' ", V], "«».bye"),
    (["printf '%s.' \"`printf x`\" ", V], "x.«»."),
    (['printf \'%s.\' "${x:-"a b"}$#" ', V], "a b0.«»."),
]


def expected(form: str, value: bytes) -> bytes:
    """Fill a form in which `«»` is the value."""
    return value.join(part.encode() for part in form.split("«»"))


def joined(programs: Sequence[PARTS]) -> list[str | Hole]:
    """Put programs one after the other, each in a subshell of its own."""
    parts: list[str | Hole] = []
    for program in programs:
        parts += ["(\n", *program, "\n)\n"]
    return parts


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value)[2:30])
def test_a_hostile_value_arrives_byte_for_byte_in_every_place(runner: str, value: bytes, tmp_path: Path) -> None:
    text = place_values(joined([parts for parts, _ in PLACES]), shell="sh")
    wanted = b"".join(expected(form, value) for _, form in PLACES)
    if value == b"x":
        wanted = wanted.replace(b"yes", b"no")
    assert run(runner, text.text, dict.fromkeys(text.names, value), tmp_path) == wanted


BASH_PLACES: list[tuple[PARTS, str]] = [
    (["cat <<< ", V], "«»\n"),
    (["cat <(printf '%s.' ", V, ")"], "«»."),
    (["printf '%s.' $'a\\'b' ", V], "a'b.«»."),
    (["printf '%s.' {a,", V, "}"], "a.«»."),
    (["X+=", V, "; printf '%s.' \"$X\""], "«»."),
    (["function f { printf '%s.' \"$1\"; }; f ", V], "«»."),
    (["[[ x == x && ( -n y ) ]] && printf '%s.' ", V], "«»."),
    (["args=(a b); printf '%s.' \"${args[@]}\" ", V], "a.b.«»."),
    (["case x in x) printf '%s.' ", V, " ;;& y) ;; esac"], "«»."),
]


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value)[2:30])
def test_a_hostile_value_arrives_in_the_places_that_only_bash_has(value: bytes, tmp_path: Path) -> None:
    text = place_values(joined([parts for parts, _ in BASH_PLACES]), shell="bash")
    wanted = b"".join(expected(form, value) for _, form in BASH_PLACES)
    assert run("bash", text.text, dict.fromkeys(text.names, value), tmp_path) == wanted


def test_a_hostile_value_names_the_file_of_a_redirection(runner: str, tmp_path: Path) -> None:
    names = [value for value in VALUES if value and b"/" not in value and len(value) < 200]
    program: PARTS = ["printf x > ", V, "; printf '%s' \"$(cat < ", V, ')"; command rm -- ', V, "\n"]
    text = place_values([part for _ in names for part in program], shell="sh")
    environment = {name: names[index // 3] for index, name in enumerate(text.names)}
    assert run(runner, text.text, environment, tmp_path) == b"x" * len(names)


def test_a_value_as_the_command_word_is_one_word_and_no_syntax(runner: str, tmp_path: Path) -> None:
    text = place_values([V, " 2>/dev/null || printf gone\n"] * 3, shell="sh")
    values = [b"touch canary", b"$(touch canary)", b"if"]
    assert run(runner, text.text, dict(zip(text.names, values, strict=True)), tmp_path) == b"gone" * 3


# -- places nested at random -----------------------------------------------------------------------


class Nesting:
    """Writes random programs out of the allowed places, together with what each must print."""

    def __init__(self, seed: int, values: Sequence[bytes]) -> None:
        self.random = random.Random(seed)
        self.values = values
        self.used: list[bytes] = []

    def program(self, depth: int) -> tuple[list[str | Hole], bytes]:
        """Return a program whose output never ends in a newline, so that `$( )` keeps all of it."""
        simple = [self.print_word]
        nested = [
            self.document,
            self.assignment,
            self.case,
            self.loop,
            self.group,
            self.function,
            self.condition,
            self.sequence,
            self.positional,
        ]
        choice: Callable[[int], tuple[list[str | Hole], bytes]] = self.random.choice(
            simple if depth <= 0 else simple + nested
        )
        return choice(depth - 1)

    def value(self) -> tuple[Hole, bytes]:
        value = self.random.choice(self.values)
        return self.hole_of(value), value

    def hole_of(self, value: bytes) -> Hole:
        """Return a hole that names its value by number: the order of writing is not that of the text."""
        self.used.append(value)
        return hole(str(len(self.used) - 1))

    def word(self, depth: int) -> tuple[list[str | Hole], bytes]:
        """Return a word of several pieces; unquoted substitutions stand only in quotes."""
        parts: list[str | Hole] = []
        wanted = b""
        for _ in range(self.random.randint(1, 3)):
            piece, text = self.piece(depth)
            parts += piece
            wanted += text
        return parts, wanted

    def piece(self, depth: int) -> tuple[list[str | Hole], bytes]:
        kind = self.random.randrange(6 if depth > 0 else 4)
        placed, value = self.value()
        if kind == 0:
            return [placed], value
        if kind == 1:
            return ["'a\\\"`$(", placed, "#'"], b'a\\"`$(' + value + b"#"
        if kind == 2:
            return ["\"it's)", placed, '\\$"'], b"it's)" + value + b"$"
        if kind == 3:
            return ["x=,\\'\\\\", placed], b"x=,'\\" + value
        inner, wanted = self.program(depth)
        return ['"<$(', self.gap(), *inner, "\n)>", placed, '"'], b"<" + wanted + b">" + value

    def gap(self) -> str:
        return self.random.choice([" ", "\n", " # it's ) \" `\n", " \\\n "])

    def print_word(self, depth: int) -> tuple[list[str | Hole], bytes]:
        parts, wanted = self.word(depth)
        return ["printf '%s.'", " \\\n ", *parts], wanted + b"."

    def assignment(self, depth: int) -> tuple[list[str | Hole], bytes]:
        parts, wanted = self.word(depth)
        inner, inside = self.program(depth)
        text = ["X=", *parts, "; Y=$( ", *inner, '\n)\nprintf \'%s.%s.\' "$X" "$Y"']
        return text, wanted + b"." + inside + b"."

    def document(self, depth: int) -> tuple[list[str | Hole], bytes]:
        placed, value = self.value()
        end = f"END{self.random.randrange(10**9)}"
        inner, inside = self.program(depth)
        body = [f"cat <<{end} # )'\n'\" \\$(", placed, " $( ", *inner, f"\n)\n{end}\nprintf ."]
        return body, b"'\" $(" + value + b" " + inside + b"\n."

    def case(self, depth: int) -> tuple[list[str | Hole], bytes]:
        placed, value = self.value()
        again = self.hole_of(value)
        inner, inside = self.program(depth)
        opening = self.random.choice(["", "("])
        return ["case ", placed, f" in {opening}", again, ") ", *inner, "\n;; *) printf no; esac"], inside

    def loop(self, depth: int) -> tuple[list[str | Hole], bytes]:
        first, one = self.word(depth)
        second, two = self.word(depth)
        return ["for i in ", *first, " ", *second, "; do printf '%s.' \"$i\"; done"], one + b"." + two + b"."

    def group(self, depth: int) -> tuple[list[str | Hole], bytes]:
        inner, inside = self.program(depth)
        before, after = self.random.choice([("{ ", "\n}"), ("( ", "\n)"), ("{ ", "\n} | cat"), ("( ", "\n) >&1")])
        return [before, *inner, after], inside

    def function(self, depth: int) -> tuple[list[str | Hole], bytes]:
        inner, inside = self.program(depth)
        word, wanted = self.word(depth)
        return ["f() {\nprintf '%s.' \"$1\"\n", *inner, "\n}\nf ", *word], wanted + b"." + inside

    def condition(self, depth: int) -> tuple[list[str | Hole], bytes]:
        inner, inside = self.program(depth)
        test, _ = self.word(depth)
        return ["if [ -n x", *test, " ]; then ", *inner, "\nelse printf no; fi"], inside

    def positional(self, depth: int) -> tuple[list[str | Hole], bytes]:
        first, one = self.word(depth)
        second, two = self.word(depth)
        return ["set -- ", *first, " ", *second, '; printf \'%s.\' "$2" "$1"'], two + b"." + one + b"."

    def sequence(self, depth: int) -> tuple[list[str | Hole], bytes]:
        first, one = self.program(depth)
        second, two = self.program(depth)
        placed, _ = self.value()
        return [*first, "\n# it's \" ", placed, " `\n", *second], one + two


@pytest.mark.parametrize("seed", range(6))
def test_values_arrive_however_the_places_are_nested(runner: str, seed: int, tmp_path: Path) -> None:
    nesting = Nesting(seed, [value for value in VALUES if len(value) < 64])
    programs, wanted = zip(*(nesting.program(4) for _ in range(25)), strict=True)
    parts = joined(programs)
    text = place_values(parts, shell="sh")
    values = [nesting.used[int(part.source)] for part in parts if isinstance(part, Hole)]
    environment = dict(zip(text.names, values, strict=True))
    assert run(runner, text.text, environment, tmp_path) == b"".join(wanted)


# -- what bash evaluates is known ------------------------------------------------------------------

SUBSCRIPT = "a[$(touch hit.$N)]"
SUBSTITUTION = "$(touch hit.$N)"
COMMAND = "touch hit.$N"
DANGERS: list[tuple[str, str]] = [
    ("[[ $V -eq 1 ]]", SUBSCRIPT),
    ("[[ -v $V ]]", SUBSCRIPT),
    ("x=$V; echo $((x))", SUBSCRIPT),
    ("((V))", SUBSCRIPT),
    ("for ((i=V;i<1;i++)); do :; done", SUBSCRIPT),
    ("x=abc; echo ${x:V}", SUBSCRIPT),
    ('set -- 1; echo "${@:$V}"', SUBSCRIPT),
    ("echo ${!V}", SUBSCRIPT),
    ("echo ${V@P}", SUBSTITUTION),
    ("echo $[V]", SUBSCRIPT),
    ("x=$V; echo ${a[x]}", SUBSCRIPT),
    ("a[V]=1", SUBSCRIPT),
    ("a=([$V]=1)", SUBSCRIPT),
    ("declare -i x=$V", SUBSCRIPT),
    ("declare -n r=$V; echo $r", SUBSCRIPT),
    ('a=(1); declare a="$V"', "([$(touch hit.$N)]=1)"),
    ('f() { local -a a=(1); local a="$V"; }; f', "([$(touch hit.$N)]=1)"),
    ('export -a a="$V"', "([$(touch hit.$N)]=1)"),
    ('f() { local "$V"; }; f', SUBSCRIPT + "=1"),
    ('for SECONDS in "$V"; do :; done', SUBSCRIPT),
    ("RANDOM=$V", SUBSCRIPT),
    ("OPTIND=$V; getopts a x -a", SUBSCRIPT),
    ("PS4=$V; set -x; :", SUBSTITUTION),
    ("BASH_ENV=$V bash -c :", SUBSTITUTION),
    ('a=(1); unset "$V"', SUBSCRIPT),
    ('read "$V" <<<1', SUBSCRIPT),
    ('printf "$V" foo', "-v" + SUBSCRIPT),
    ('printf -v "$V" 1', SUBSCRIPT),
    ('[ -v "$V" ]', SUBSCRIPT),
    ("[ $V = 1 ]", "-v a[$(touch${IFS}hit.$N)] -o 1"),
    ('W=$V; V=-v; [ "$V" "$W" ]', SUBSCRIPT),
    ('W=$V; V=-v; [ ! "$V" "$W" ]', SUBSCRIPT),
    ('sleep 0 & wait -n -p "$V"', SUBSCRIPT),
    ('sleep 0 & wait "-p$V" $!', SUBSCRIPT),
    ('echo >&"$V"', SUBSTITUTION),
    ("echo 1>&$V", SUBSTITUTION),
    ('trap "$V" EXIT', COMMAND),
    ("trap 'eval \"$V\"' EXIT", COMMAND),
    ('jobs -x eval "$V"', COMMAND),
    ('mapfile -C "$V" -c 1 x </etc/passwd', COMMAND),
    ('compgen -W "$V"', SUBSTITUTION),
    ('compgen "$V"', "-W" + SUBSTITUTION),
    ('W=$V; V=eval; "$V" "$W"', COMMAND),
    ("{eval,$V}", COMMAND),
    ('run() { "$@"; }; run eval "$V"', COMMAND),
    ("$V", "eval touch hit.$N"),
    ('shopt -s expand_aliases\nalias x="$V"\nx', COMMAND),
    ('ev\\al "$V"', COMMAND),
    ('command builtin eval "$V"', COMMAND),
    ("source /dev/stdin <<E\n$V\nE", COMMAND),
    ('. <(echo "$V")', COMMAND),
    ('let "$V"', SUBSCRIPT),
    ("declare -A m; m[$V]=1; [[ -v m[$V] ]]", SUBSCRIPT),
]
_NEVER_RUN = {"suspend", "kill", "logout", "exec", "bg", "fg"}


def hits(snippets: Sequence[tuple[str, str]], folder: Path) -> set[int]:
    """Run every snippet in a subshell of one bash and return those that executed their value."""
    blocks = []
    environment = {b"PATH": os.environ.get("PATH", os.defpath).encode()}
    for index, (snippet, value) in enumerate(snippets):
        environment.setdefault(b"S_" + value.encode().hex().encode(), value.encode())
        name = "S_" + value.encode().hex()
        blocks.append(f'(export N={index} V="${name}"\n{snippet}\n) </dev/null >/dev/null 2>&1\n')
    script = folder / "snippets.sh"
    script.write_text("".join(blocks))
    work = folder / "work"
    work.mkdir()
    subprocess.run(["bash", str(script)], cwd=work, env=environment, stdin=subprocess.DEVNULL, timeout=120, check=False)
    return {int(name.removeprefix("hit.")) for item in work.iterdir() if (name := item.name).startswith("hit.")}


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_every_known_way_to_execute_a_variable_is_recognised(tmp_path: Path) -> None:
    real = hits(DANGERS, tmp_path)
    assert len(real) > len(DANGERS) // 2
    missed = [DANGERS[i][0] for i in real if evaluating_construct(DANGERS[i][0], shell="bash") is None]
    assert missed == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_no_option_of_any_builtin_executes_a_value_unrecognised(tmp_path: Path) -> None:
    listed = subprocess.run(["bash", "-c", "compgen -b"], capture_output=True, text=True, check=True).stdout
    builtins = [name for name in listed.split() if name not in _NEVER_RUN]
    options = ["", "-- ", *(f"-{letter} " for letter in string.ascii_letters)]
    snippets = [(f'{name} {option}"$V" x', SUBSCRIPT) for name in builtins for option in options]
    real = hits(snippets, tmp_path)
    assert len(real) > 20
    missed = [snippets[i][0] for i in real if evaluating_construct(snippets[i][0], shell="bash") is None]
    assert missed == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_a_value_in_two_places_of_any_builtin_executes_only_where_it_is_refused(tmp_path: Path) -> None:
    listed = subprocess.run(["bash", "-c", "compgen -b"], capture_output=True, text=True, check=True).stdout
    values = [SUBSCRIPT, SUBSCRIPT + "=1", "-v" + SUBSCRIPT, "-p" + SUBSCRIPT, SUBSTITUTION, COMMAND]
    names = [name for name in listed.split() if name not in _NEVER_RUN]
    snippets: list[tuple[str, str]] = []
    for name in names:
        for value in values:
            for form in ("{} «V»", "{} «V» «V»", "{} x «V»", "X=«V» {} x", "{} x > /dev/null«V»"):
                snippets.append((form.format(name).replace("«V»", '"$V"'), value))
    real = hits(snippets, tmp_path)
    assert len(real) > 20
    assert [snippets[i] for i in sorted(real) if accepted(snippets[i][0])] == []


def accepted(snippet: str) -> bool:
    """Tell whether the snippet is accepted with holes in the place of its `"$V"`."""
    parts: list[str | Hole] = []
    for index, text in enumerate(snippet.split('"$V"')):
        parts += [V, text] if index else [text]
    try:
        place_values(parts, shell="bash")
    except ShellRefused:
        return False
    return True
