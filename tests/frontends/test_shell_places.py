"""Which places of a command text take a value, how the value is quoted there, and what is refused."""

from __future__ import annotations

import re

import pytest

from checkpointflow.frontends.document.shell import (
    Hole,
    Refusal,
    ShellRefused,
    evaluating_construct,
    is_evaluated_variable,
    place_values,
    second_interpreter_notes,
)

_HOLE = re.compile(r"«(#?)([a-z]+)»")
SHELLS = ("sh", "dash", "bash")


def parts_of(text: str) -> list[str | Hole]:
    """Read `«name»` as a hole, written `${name}` in the document, and `«#name»` as a numeric one."""
    parts: list[str | Hole] = []
    at = length = 0
    for match in _HOLE.finditer(text):
        parts.append(text[at : match.start()])
        length += match.start() - at
        parts.append(Hole(source=match[2], numeric=bool(match[1]), offset=length))
        length += len("${}") + len(match[2])
        at = match.end()
    return [*parts, text[at:]]


def placed(text: str, *, shell: str = "sh") -> str:
    """Return the placed text with `<n>` for the reference to the n-th value."""
    return re.sub(r"\$\{CPF_VALUE_(\d+)\}", r"<\1>", place_values(parts_of(text), shell=shell).text)


def refused(text: str, *, shell: str = "sh", env_holes: bool = False) -> tuple[Refusal, ...]:
    with pytest.raises(ShellRefused) as caught:
        place_values(parts_of(text), shell=shell, env_holes=env_holes)
    return caught.value.refusals


PLACES = [
    ("echo «a»", 'echo "<1>"'),
    ("echo --x=«a».json", 'echo --x="<1>".json'),
    ("echo «a»«b»", 'echo "<1>""<2>"'),
    ("echo «a»_tail", 'echo "<1>"_tail'),
    ('echo "x «a»y"', 'echo "x <1>y"'),
    ("echo 'x «a» y'", "echo 'x '\"<1>\"' y'"),
    ("echo 'a\\«a»'", "echo 'a\\'\"<1>\"''"),
    ("echo '$«a»'", "echo '$'\"<1>\"''"),
    ('echo "it\'s «a»"', 'echo "it\'s <1>"'),
    ("cat < «a» > «b» 2>> «c»", 'cat < "<1>" > "<2>" 2>> "<3>"'),
    ("X=«a» Y+=«b» cmd", 'X="<1>" Y+="<2>" cmd'),
    ("export X=«a»", 'export X="<1>"'),
    ("echo ~«a»", 'echo ~"<1>"'),
    ("echo {x,«a»}", 'echo {x,"<1>"}'),
    ("«a» --version", '"<1>" --version'),
    ("«a»/bin/tool «b»", '"<1>"/bin/tool "<2>"'),
    ("./tool-«a» «b»", './tool-"<1>" "<2>"'),
    ("case «a» in «b»|x«c») echo;; (y) ;; esac", 'case "<1>" in "<2>"|x"<3>") echo;; (y) ;; esac'),
    ("for x in «a» b; do echo $x; done", 'for x in "<1>" b; do echo $x; done'),
    ("for x\ndo echo «a»\ndone", 'for x\ndo echo "<1>"\ndone'),
    ('echo "$(echo «a» "«b»")"', 'echo "$(echo "<1>" "<2>")"'),
    ("echo $(echo $(echo '«a»'))", "echo $(echo $(echo ''\"<1>\"''))"),
    ("echo $(case x in x) echo «a»;; esac) «b»", 'echo $(case x in x) echo "<1>";; esac) "<2>"'),
    ("echo $(case x in x) echo «a»; esac)", 'echo $(case x in x) echo "<1>"; esac)'),
    ("echo $(echo # it's )\n«a»)", 'echo $(echo # it\'s )\n"<1>")'),
    ("cat <<E\n«a» \"«b»\" '$x'\nE\necho «c»", 'cat <<E\n<1> "<2>" \'$x\'\nE\necho "<3>"'),
    ("cat <<-E\n\t«a»\n\tE", "cat <<-E\n\t<1>\n\tE"),
    ("cat <<A; cat <<B\n«a»\nA\n«b»\nB", "cat <<A; cat <<B\n<1>\nA\n<2>\nB"),
    ('cat <<E\n$(echo «a» ")")\nE', 'cat <<E\n$(echo "<1>" ")")\nE'),
    ("echo $(cat <<E\n«a» )\nE\n) «b»", 'echo $(cat <<E\n<1> )\nE\n) "<2>"'),
    ("cat <<E\na \\\nE\n«a»\nE", "cat <<E\na \\\nE\n<1>\nE"),
    ("cat <<'E'; echo «a»\n`$((\nE", "cat <<'E'; echo \"<1>\"\n`$((\nE"),
    ("# it's «a» \"\necho «b»", '# it\'s "<1>" "\necho "<2>"'),
    ("echo a#«a» # «b»", 'echo a#"<1>" # "<2>"'),
    ("echo \\\n  «a» \\\n  --b", 'echo \\\n  "<1>" \\\n  --b'),
    ("if [ -n «a» ]; then echo; elif ! false; then :; else :; fi", None),
    ("[ «a» = «b» ] && test ! -f «c»", '[ "<1>" = "<2>" ] && test ! -f "<3>"'),
    ('[ $# -gt 0 ] && [ "$x" -eq 1 ] || echo «a»', None),
    ('while read -r line; do echo "$line"; done < «a»', None),
    ('f() { local n="$1"; echo "$n"; }; f «a»', None),
    ("{ echo «a»; } | ( cat ) & wait", '{ echo "<1>"; } | ( cat ) & wait'),
    ("printf '%s' «a»; printf \"x $y\" «b»", None),
    ("trap 'rm -f \"$tmp\"' EXIT; echo «a»", None),
    ("command -v «a»; exec «b» «c»", 'command -v "<1>"; exec "<2>" "<3>"'),
    ("env $PYTHON x.py «a»", 'env $PYTHON x.py "<1>"'),
    ('"$PYTHON" x.py > «a»', '"$PYTHON" x.py > "<1>"'),
    ('. ./venv/bin/activate && . "$HOME/.profile" && x «a»', None),
    ('set -- «a» «b»; echo "$@" ${#x} ${x:-d} ${x%.*} ${x:0:3}', None),
    ("find . -name «a» -exec rm {} \\;", 'find . -name "<1>" -exec rm {} \\;'),
    ('echo `date` "`date +\\`echo %s\\``" «a»', None),
    ("echo if then «a» fi esac }", 'echo if then "<1>" fi esac }'),
    ("time -p sort «a»", 'time -p sort "<1>"'),
    ("wait -- «a»", 'wait -- "<1>"'),
    ("echo $$«a» $!«b»", 'echo $$"<1>" $!"<2>"'),
]


@pytest.mark.parametrize(("text", "wanted"), PLACES)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_value_in_a_plain_place_becomes_a_reference_quoted_for_it(text: str, wanted: str | None, shell: str) -> None:
    count = iter(range(1, 9))
    expected = wanted if wanted is not None else _HOLE.sub(lambda _: f'"<{next(count)}>"', text)
    assert placed(text, shell=shell) == expected


BASH_PLACES = [
    ("cat <<< «a»", 'cat <<< "<1>"'),
    ("diff <(sort «a») >(cat «b»)", 'diff <(sort "<1>") >(cat "<2>")'),
    ("echo &> «a»", 'echo &> "<1>"'),
    ("echo $'a\\'b' «a»", "echo $'a\\'b' \"<1>\""),
    ("[[ $x == y* && ( -f z || a < b ) ]] && echo «a»", '[[ $x == y* && ( -f z || a < b ) ]] && echo "<1>"'),
    ("[[ $x =~ ^(a|b)$ ]] && echo «a»", '[[ $x =~ ^(a|b)$ ]] && echo "<1>"'),
    ("function f { echo «a»; }; f", 'function f { echo "<1>"; }; f'),
    ('x=(a "$b"); echo "${x[@]}" ${x[0]} «a»', 'x=(a "$b"); echo "${x[@]}" ${x[0]} "<1>"'),
    ("select x in «a»; do break; done", 'select x in "<1>"; do break; done'),
    ("echo @(a|b(c)) «a»", 'echo @(a|b(c)) "<1>"'),
    ("case x in x) ;& y) echo «a» ;;& z) esac", 'case x in x) ;& y) echo "<1>" ;;& z) esac'),
    ("a |& b «a»", 'a |& b "<1>"'),
]


@pytest.mark.parametrize(("text", "wanted"), BASH_PLACES)
def test_what_only_bash_has_is_read_as_bash_reads_it(text: str, wanted: str) -> None:
    assert placed(text, shell="bash") == wanted


_TAKING_NO_VALUES = (
    "eval",
    "let",
    "declare",
    "typeset",
    "local",
    "readonly",
    "read",
    "unset",
    "source",
    ".",
    "trap",
    "mapfile",
    "readarray",
    "compgen",
    "complete",
    "alias",
    "enable",
    "getopts",
    "bind",
    "fc",
)

REFUSED_PLACES = [
    ("echo $((«a» + 1))", "arithmetic"),
    ("echo $((«#a» + 1))", "arithmetic"),
    ("((x = «a»))", "arithmetic"),
    ("for ((i=0;i<«a»;i++)); do :; done", "arithmetic"),
    ("[[ «a» == x ]]", "`[[ ]]`"),
    ("[[ x == $(echo «a») ]]", "`[[ ]]`"),
    ("echo `echo «a»`", "backticks"),
    ('echo "`echo «a»`"', "backticks"),
    ("echo ${x:-«a»}", "the shell's own `${ }`"),
    ('echo "${x:-"«a»"}"', "the shell's own `${ }`"),
    ('echo "${x:-$(echo «a»)}"', "the shell's own `${ }`"),
    ("echo $'«a»'", "`$'…'`"),
    ('echo $"«a»"', '`$"…"`'),
    ("cat <<'E'\n«a»\nE", "delimiter is quoted"),
    ('cat <<"E"\n«a»\nE', "delimiter is quoted"),
    ("cat <<\\E\n«a»\nE", "delimiter is quoted"),
    ("cat <<E«a»\nE\nE", "in the delimiter"),
    ("echo \\«a»", "after a backslash"),
    ('echo "\\«a»"', "after a backslash"),
    ("cat <<E\n\\«a»\nE", "after a backslash"),
    ("echo $«a»", "directly after a `$`"),
    ('echo "$«a»"', "directly after a `$`"),
    ("echo @(«a»|b)", "extended pattern"),
    ("x=(«a»)", "array assignment"),
    ("x[«a»]=1", "array subscript"),
    ("«a»() { :; }", "name of a function"),
    ("function «a» { :; }", "name of a function"),
    ("for «a» in x; do :; done", "variable of a loop"),
    ("echo >&«a»", "after `>&`"),
    ("test -v «a»", "`test -v`"),
    ("[ -v «a» ]", "`[ -v`"),
    ("printf -v «a» x", "`printf -v`"),
    ("printf -v x %s «a»", "`printf -v`"),
    ("export «a»", "`export`"),
    *[(f"{name} «a»", f"among the words of `{name}`") for name in _TAKING_NO_VALUES],
    *[
        (text.replace("EVAL", "eval «a»"), "among the words of `eval`")
        for text in (
            "command EVAL",
            "builtin EVAL",
            "command -p builtin -- EVAL",
            "X=1 EVAL",
            "> f EVAL",
            "2>f X=1 EVAL",
            "! EVAL",
            "time EVAL",
            "time -p EVAL",
            "if EVAL; then :; fi",
            "while EVAL; do EVAL; done",
            "{ EVAL; }",
            "(EVAL)",
            "f() EVAL",
            "f() { EVAL; }",
            "case x in x) EVAL;; esac",
            "a & EVAL",
            "a | EVAL",
            "a\nEVAL",
            'echo "$(EVAL)"',
            "cat <<E\n$(EVAL)\nE",
            "cat <<E; EVAL\nE",
            "for x in a; do EVAL; done",
        )
    ],
    ("ev\\al «a»", "`eval`"),
    ('"eval" «a»', "`eval`"),
    ("e'va'l «a»", "`eval`"),
    ("ev\\\nal «a»", "`eval`"),
]


@pytest.mark.parametrize(("text", "place"), REFUSED_PLACES)
def test_a_value_where_it_could_become_syntax_is_refused_with_the_rewrite(text: str, place: str) -> None:
    refusals = refused(text)
    assert any(place in refusal.message and refusal.hint for refusal in refusals), refusals
    assert len(refusals) == len(_HOLE.findall(text)), refusals


EVALUATING = [
    "echo $((x))",
    'echo "$((x))"',
    "cat <<E\n$((x))\nE",
    "((x++))",
    "for ((;;)); do :; done",
    "[[ $x -eq 1 ]]",
    "[[ -v $x ]]",
    "a[i]=1",
    "a[$i]=1",
    "echo ${a[i]}",
    "x=([i]=1)",
    "echo ${!x}",
    "echo ${x:y}",
    "echo ${x:$y:1}",
    "echo ${x@P}",
    "echo `echo $((x))`",
    "declare -i x",
    "local -n x",
    "typeset -A x",
    'declare "$x"',
    'export "$x"',
    "export X=$x",
    'x=(1); declare x="$y"',
    'mapfile x; typeset x="$y"',
    "eval x",
    "alias x=y",
    "let x",
    'unset "$x"',
    'read "$x"',
    "read RANDOM",
    "unset 'a[x]'",
    "mapfile -C cb a",
    "[ $x = 1 ]",
    '[ "$@" ]',
    '[ "$x" "$y" ]',
    'test -v "$x"',
    '[ -v "a[x]" ]',
    'printf "$x"',
    'printf -v "$x" y',
    'printf "-$x" y',
    'wait "$x"',
    'trap "$x" EXIT',
    "trap 'eval x' EXIT",
    "source /dev/stdin",
    ". <(echo x)",
    '. "$x"',
    "PS4=$x",
    "PS4='$(x)'",
    "export BASH_ENV=$x",
    "OPTIND=$x",
    "for SECONDS in $x; do :; done",
    "$x",
    '"$@"',
    '"$x" "$y"',
    '"$x" $y',
    "{eval,$x}",
    'ev*l "$x"',
    'command "$x" "$y"',
    'echo >&"$x"',
    "jobs -x x",
    "enable -f x y",
    "compgen -W x",
]


@pytest.mark.parametrize("construct", EVALUATING)
@pytest.mark.parametrize("text", ["{}\necho «a»", "echo «a»\n{}", "f() {{ {}\n}}; f «a»", 'echo "$( {}\n)" «a»'])
def test_a_construct_that_evaluates_variables_refuses_text_anywhere_beside_it(construct: str, text: str) -> None:
    whole = text.format(construct)
    (refusal,) = refused(whole)
    assert "could evaluate its value" in refusal.message
    assert refusal.offset == whole.index("«")
    assert placed(whole.replace("«a»", "«#a»")) == whole.replace("«a»", '"<1>"')


@pytest.mark.parametrize("construct", EVALUATING)
def test_the_evaluating_construct_is_named_with_its_place(construct: str) -> None:
    found = evaluating_construct(f"true; {construct}", shell="bash")
    assert found is not None
    what, offset = found
    assert what
    assert offset >= len("true; ")


@pytest.mark.parametrize(("text", "wanted"), PLACES)
def test_a_text_without_evaluating_constructs_is_free_for_values_in_the_environment(
    text: str, wanted: str | None
) -> None:
    assert evaluating_construct(_HOLE.sub("x", text), shell="sh") is None


def test_values_in_the_environment_refuse_an_evaluating_text_once() -> None:
    (refusal,) = refused('x=1\necho "$(($NAME + 1))"', env_holes=True)
    assert "`env`" in refusal.message
    assert refusal.offset == 10
    assert place_values(['echo "$NAME"'], shell="sh", env_holes=True).text == 'echo "$NAME"'


UNREADABLE = [
    "echo 'a «a»",
    'echo "a «a»',
    "echo `a; echo «a»",
    "echo $(a; echo «a»",
    "echo ${x «a»",
    "cat <<E\n«a»",
    "cat <<E «a»",
    "echo $(cat <<E) «a»\nE",
    "echo «a» )",
    "( echo «a»",
    "{ echo «a»",
    "{ echo «a» }",
    "echo «a»; }",
    "if x; then echo «a»",
    "if x; do echo «a»; fi",
    "for x in a; do echo «a»",
    "for x in a; { echo «a»; }",
    "case x in x) echo «a»;;",
    "case x echo «a»",
    "echo «a» ;; esac",
    "echo $[1] «a»",
    "coproc echo «a»",
    "echo ${ echo «a»; }",
    "!(x) «a»",
    "echo $\\\n(x) «a»",
    "cat <\\\n<E «a»\nE",
    "echo \"${x:-'}'}\" «a»",
    "echo $'\\'' «a»",
    "echo &> «a»",
    "[[ a «a»",
    "echo (x) «a»",
    "> ; echo «a»",
    "cat <<$x\n$x\n: «a»",
    "echo \0 «a»",
    "(true) echo «a»",
    "$(" * 60 + "echo «a»" + ")" * 60,
]


@pytest.mark.parametrize("text", UNREADABLE)
@pytest.mark.parametrize("numeric", [False, True])
def test_a_text_that_cannot_be_read_for_certain_is_refused_not_guessed(text: str, numeric: bool) -> None:
    refusals = refused(text.replace("«a»", "«#a»") if numeric else text)
    assert any("cannot be read for certain" in refusal.message for refusal in refusals), refusals


@pytest.mark.parametrize("text", [*(_HOLE.sub("x", text) for text in UNREADABLE), "echo $((x)) `eval y`"])
@pytest.mark.parametrize("shell", [*SHELLS, "pwsh", "cmd.exe"])
def test_a_text_without_values_passes_through_untouched(text: str, shell: str) -> None:
    assert place_values([text], shell=shell).text == text
    assert place_values([text], shell=shell).names == ()


def test_several_texts_of_a_step_do_not_share_names() -> None:
    first = place_values(parts_of("echo «a» «b»"), shell="sh")
    second = place_values(parts_of("echo «c»"), shell="sh", first=3)
    assert first.names == ("CPF_VALUE_1", "CPF_VALUE_2")
    assert second.names == ("CPF_VALUE_3",)
    assert second.text == 'echo "${CPF_VALUE_3}"'


def test_all_problems_of_a_text_are_reported_at_once_in_its_order() -> None:
    text = "echo `«a»`; eval «b»; echo «c» '"
    refusals = refused(text)
    whole = "echo `${a}`; eval ${b}; echo ${c} '"
    assert [refusal.offset for refusal in refusals] == [whole.index(x) for x in ("${a}", "${b}", "${c}", "'")]
    assert "`${a}`" in refusals[0].message


@pytest.mark.parametrize("shell", ["pwsh", "powershell", "cmd", "pwsh.exe", "C:\\Windows\\CMD.EXE", "/bin/zsh"])
def test_no_value_goes_into_the_text_of_other_shells(shell: str) -> None:
    refusals = refused("echo «a» «#b»", shell=shell)
    assert len(refusals) == 2
    assert all(refusal.hint for refusal in refusals)


@pytest.mark.parametrize("shell", ["sh.exe", "/usr/bin/bash", "C:\\msys\\usr\\bin\\bash.exe"])
def test_the_folder_and_ending_of_a_shell_do_not_matter(shell: str) -> None:
    assert place_values(parts_of("echo «a»"), shell=shell).names == ("CPF_VALUE_1",)


@pytest.mark.parametrize(
    ("shell", "text"), [("cmd", "echo %NAME%"), ("pwsh", "iex $env:NAME"), ("powershell", "Invoke-Expression $x")]
)
def test_other_shells_that_evaluate_the_environment_refuse_values_in_it(shell: str, text: str) -> None:
    assert evaluating_construct(text, shell=shell) is not None
    assert len(refused(text, shell=shell, env_holes=True)) == 1
    assert place_values(["echo $env:NAME"], shell="pwsh", env_holes=True).names == ()


def test_variables_that_a_shell_evaluates_by_itself_are_named() -> None:
    assert is_evaluated_variable("BASH_ENV")
    assert is_evaluated_variable("BASH_FUNC_ls%%")
    assert not is_evaluated_variable("NAME")


NOTED = [
    "sh -c 'echo «a»'",
    '/bin/bash -ec "echo «a»"',
    "sudo -u x bash -c 'echo «a»'",
    "ssh host rm «a»",
    "awk '/«a»/ { print }' f",
    "awk -F : '/«a»/' f",
    "sed -i 's/a/«a»/' f",
    "sed -e 's/a/«a»/' f",
    "sed --expression='s/a/«a»/' f",
    "python -c 'print(\"«a»\")'",
    "python3.12 -c «a»",
    "perl -e '«a»'",
    "jq '.x = \"«a»\"' f",
    "psql db -c \"select '«a»'\"",
    "sqlite3 x.db \"select '«a»'\"",
    "ls | xargs -n 1 sh -c 'echo «a»'",
    "find . -exec sh -c 'echo «a»' \\;",
    "bash <<E\necho «a»\nE",
    "python - <<E\nprint('«a»')\nE",
    "psql db <<E\nselect '«a»'\nE",
    "echo «a» | sh",
    "echo hi > «a»",
]


@pytest.mark.parametrize("text", NOTED)
def test_a_value_that_a_second_interpreter_reads_as_its_program_is_noted(text: str) -> None:
    (note,) = second_interpreter_notes(parts_of(text), shell="sh")
    assert "`${a}`" in note.message
    assert note.hint
    assert note.offset == text.index("«")


@pytest.mark.parametrize(
    "text",
    [
        "echo «a»",
        "sh -c 'echo \"$1\"' _ «a»",
        "sh script.sh «a»",
        "python -c 'import sys' «a»",
        "python x.py «a»",
        "jq --arg x «a» '.x = $x' f",
        "awk '{print}' «a»",
        "sed s/a/b/ «a»",
        "psql db -f «a»",
        "echo «a» | jq .x",
        "echo «a» | sh script.sh",
        "echo hi > ./«a»",
        "echo 'unclosed «a»",
        "echo \0 «a»",
    ],
)
def test_a_value_handed_over_as_data_is_not_noted(text: str) -> None:
    assert second_interpreter_notes(parts_of(text), shell="sh") == ()
