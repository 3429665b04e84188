"""Documents with one warning each: all that `cpf validate` warns of, and where."""

from __future__ import annotations

from dataclasses import dataclass

HEAD = """\
schema_version: checkpointflow/v1
workflow:
  id: doubtful
  inputs: {type: object, properties: {page: {type: string}, n: {type: integer}}}
"""
WAIT = "audience: user, event_name: e, input_schema: {required: [d], properties: {d: {enum: [yes, no, late]}}}"


@dataclass(frozen=True)
class Doubtful:
    """A document whose text holds one `«`, which is taken out, where its warning stands."""

    name: str
    says: str
    hint: str
    steps: str
    head: str = HEAD
    foot: str = ""

    @property
    def marked(self) -> str:
        steps = "".join(f"  {line}\n" for line in self.steps.splitlines())
        return f"{self.head}  steps:\n{steps}{self.foot}"

    @property
    def text(self) -> str:
        return self.marked.replace("«", "")

    @property
    def place(self) -> tuple[int, int]:
        """Line and column of the warning."""
        before = self.marked.partition("«")[0]
        return before.count("\n") + 1, len(before) - before.rfind("\n")


def _inputs(declared: str) -> str:
    return HEAD.replace("page: {type: string}", declared)


def _secret(name: str, declared: str, why: str) -> Doubtful:
    hint = f"`secrets: {{{name}: {{env: {name.upper()}}}}}`, and write `${{secrets.{name}}}`"
    says = f"the input `{name}` {why}, and inputs are written to the journal and shown"
    return Doubtful(f"secret input {name}", says, hint, "- {id: a, kind: end}", head=_inputs(f"«{name}: {declared}"))


def _command(name: str, command: str, program: str) -> Doubtful:
    says = f"`${{inputs.page}}` reaches `{program}`, which reads it as a part of its own program"
    steps = f"- id: a\n  kind: cli\n  command: |-\n    {command}"
    return Doubtful(name, says, "hand it over as data", steps)


ENDS = """\
- {id: ask, kind: set, values: {}, on_error: {next: no}}
- {id: apply, kind: set, values: {}}
- «{id: no, kind: end}"""
FLOW = [
    Doubtful(
        "an end that is run into and jumped to",
        "`apply` goes on to the end `no`, which `ask` also jumps to",
        "write `next: no` on `apply`; else give it another `next`",
        ENDS,
    ),
    Doubtful(
        "an end that is run into where a step is skipped",
        "`apply` goes on to the end `no`, which `ask` also jumps to",
        "put an `end` of its own between them",
        ENDS.replace("apply, kind: set, values: {}", "apply, kind: end, if: inputs.n == 1"),
    ),
    Doubtful(
        "an end that is run into and is for errors",
        "`apply` goes on to the end `no`, which `on_error` of the document also jumps to",
        "write `next: no` on `apply`",
        ENDS.replace(", on_error: {next: no}", ""),
        foot="  on_error: {next: no}\n",
    ),
    Doubtful(
        "an end in a branch that is run into and jumped to",
        "`b` goes on to the end `no`, which `a` also jumps to",
        "write `next: no` on `b`",
        "- id: fan\n  kind: parallel\n  branches:\n  - id: left\n    steps:\n"
        "    - {id: a, kind: cli, command: 'true', on_error: {next: no}}\n"
        "    - {id: b, kind: set, values: {}}\n    - «{id: no, kind: end}",
    ),
    Doubtful(
        "an unreachable step",
        "the step `lost` is never reached",
        "nothing jumps to it, and the steps before it lead elsewhere",
        "- {id: a, kind: set, values: {}, next: z}\n- «{id: lost, kind: set, values: {}}\n- {id: z, kind: end}",
    ),
    Doubtful(
        "an unreachable step in a body",
        "the step `lost` is never reached",
        "nothing jumps to it",
        "- id: each\n  kind: foreach\n  items: '[1]'\n  body:\n  - {id: a, kind: end}\n"
        "  - «{id: lost, kind: set, values: {}}",
    ),
    Doubtful(
        "transitions that leave an answer out",
        "no transition is taken when `d` is `late`",
        "the next step in the list follows; say so with `next`",
        f'- {{id: w, kind: await_event, {WAIT}, «transitions: [{{when: \'event.d in ["yes", "no"]\', next: z}}]}}\n'
        "- {id: a, kind: end}\n- {id: z, kind: end}",
    ),
    Doubtful(
        "a transition that no answer takes",
        "this transition is never taken",
        "`d` is one of `yes`, `no`, `late`",
        f"- {{id: w, kind: await_event, {WAIT}, next: end, transitions: [{{when: «event.d == 'maybe', next: end}}]}}",
    ),
]
SECRETS = [
    _secret("password", "{type: string}", "looks like a secret"),
    _secret("api_key", "{type: string}", "looks like a secret"),
    _secret("githubToken", "{}", "looks like a secret"),
    _secret("client_secret", "{type: [string, 'null']}", "looks like a secret"),
    _secret("account", "{type: string, writeOnly: true}", "is `writeOnly`"),
    _secret("account", "{type: string, format: password}", "has the format `password`"),
    Doubtful(
        "secret input inside an object",
        "the input `passphrase` looks like a secret",
        "`secrets: {passphrase: {env: PASSPHRASE}}`",
        "- {id: a, kind: end}",
        head=_inputs("login: {type: object, properties: {user: {}, «passphrase: {type: string}}}"),
    ),
]
EFFECTS = [
    Doubtful(
        "api without timeout",
        "`a` does not say `timeout_seconds`, so 30 seconds hold",
        "write `timeout_seconds: 30`, or what fits",
        "- «{id: a, kind: api, url: 'https://x.test/'}",
    ),
    Doubtful(
        "api that waits for ever",
        "`a` has no timeout",
        "give it as many seconds as it may take",
        "- «{id: a, kind: api, url: 'https://x.test/', timeout_seconds: 0}",
    ),
    *(
        Doubtful(
            f"{method} without effect",
            f"`{method}` without `effect` is sent again when nobody knows whether it took effect",
            "write `effect: idempotent` if",
            f"- {{id: a, kind: api, url: 'https://x.test/', timeout_seconds: 9, method: «{method}, risk_level: high}}",
        )
        for method in ("POST", "PATCH")
    ),
    Doubtful(
        "high risk without effect",
        "`a` has a high risk and no `effect`",
        "write `effect: once` if twice does harm, else `effect: idempotent`",
        "- {id: a, kind: cli, command: publish, risk_level: «high}",
    ),
    Doubtful(
        "high risk of a request without effect",
        "`a` has a high risk and no `effect`",
        "write `effect: once` if twice does harm",
        "- {id: a, kind: api, url: 'https://x.test/', timeout_seconds: 9, method: DELETE, risk_level: «high}",
    ),
    Doubtful(
        "python that is not pinned",
        "the code of `pages` is not kept with the run",
        "change it only in ways that waiting runs can bear",
        "- {id: a, kind: python, call: «'pages:check', risk_level: high, effect: once}",
    ),
]
MANNERS = [
    Doubtful(
        "an item key that is the same for all",
        '`item_key` of `each` is the text "item.name" for every item, and each needs a key of its own',
        "write `item_key: ${item.name}`",
        "- id: each\n  kind: foreach\n  items: ${[1, 2]}\n  item_key: «item.name\n"
        "  body:\n  - {id: a, kind: set, values: {}}",
    ),
    Doubtful(
        "an item key that is a word",
        '`item_key` of `each` is the text "page" for every item',
        "write `item_key: ${item.NAME}`",
        "- id: each\n  kind: foreach\n  items: ${[1, 2]}\n  item_key: «page\n"
        "  body:\n  - {id: a, kind: set, values: {}}",
    ),
    Doubtful(
        "bare word",
        "`draft` is read as text",
        'Quote it: "draft".',
        "- {id: a, kind: end, if: inputs.page == «draft}",
    ),
    Doubtful(
        "types that differ",
        "types differ: null/string and integer; they are compared as lower-cased text",
        "`int(…)`, `double(…)` and `string(…)` convert",
        "- {id: a, kind: end, if: inputs.page «== 3}",
    ),
    Doubtful(
        "minus without blanks",
        "`left-right` is read as one name",
        'Write `["left-right"]` for the name; put blanks around a minus.',
        "- {id: a, kind: cli, command: x}\n- {id: b, kind: end, result: '${steps.a.outputs.«left-right}'}",
    ),
    Doubtful(
        "undeclared input",
        "`inputs` does not declare `pagee`",
        "Did you mean `page`?",
        "- {id: a, kind: end, result: 'see ${inputs.«pagee}'}",
    ),
]
INTERPRETERS = [
    _command("sh -c", "sh -c 'echo «${inputs.page}'", "sh"),
    _command("ssh", "ssh host rm «${inputs.page}", "ssh"),
    _command("awk", "awk '/«${inputs.page}/' f", "awk"),
    _command("sed", "sed s/a/«${inputs.page}/ f", "sed"),
    _command("python -c", "python3 -c «${inputs.page}", "python"),
    _command("jq", "jq .«${inputs.page} f", "jq"),
    _command("env -S", "env -S «${inputs.page}", "env"),
    _command("a shell behind a variable", 'x=«${inputs.page}; bash -c "$x"', "bash"),
    _command("a shell behind two variables", 'x=«${inputs.page}; y="ls $x"; sh -c "$y"', "sh"),
    _command("a shell behind an argument", 'set -- «${inputs.page}; sh -c "rm $1"', "sh"),
    _command("eval in another shell", "sh -c 'eval \"$1\"' _ «${inputs.page}", "sh"),
    _command("xargs that writes into a shell's text", "echo «${inputs.page} | xargs -I@ sh -c 'rm @'", "sh"),
    _command("a shell that reads", "echo «${inputs.page} | sh", "sh"),
    _command("a shell that reads a document with a variable", "x=«${inputs.page}; sh <<E\n    $x\n    E", "sh"),
    Doubtful(
        "a shell behind a variable of an earlier text",
        "`$x` carries a value, and `sh` reads it as a part of its own program",
        "hand it over as data",
        "- id: a\n  kind: cli\n  command:\n  - x=${inputs.page}\n  - sh -c «$x",
    ),
    Doubtful(
        "a shell that gets a variable of env",
        "`$X` carries a value, and `sh` reads it as a part of its own program",
        "hand it over as data",
        "- {id: a, kind: cli, command: 'sh -c «\"rm $X\"', env: {X: '${inputs.page}'}}",
    ),
    Doubtful(
        "eval of a variable of env in another shell",
        "`$X` carries a value, and `bash` reads it as a part of its own program",
        "hand it over as data",
        "- {id: a, kind: cli, argv: [bash, -c, '«eval \"$X\"'], env: {X: '${inputs.page}'}}",
    ),
    Doubtful(
        "a shell named in argv",
        "`${inputs.page}` reaches `bash`, which reads it as a part of its own program",
        "hand it over as data",
        "- {id: a, kind: cli, argv: [bash, -c, 'ls «${inputs.page}']}",
    ),
]
ROUNDS = [
    Doubtful(
        "a loop of two steps without a way out",
        "nothing but a failure leads out of `a`, `b`: the run goes round until it has visited a step too often",
        "have a `switch`, an `if` or a transition lead on, or to `end`",
        "- {id: first, kind: set, values: {}}\n- {id: a, kind: set, values: {}}\n"
        "- {id: b, kind: set, values: {}, next: «a}",
    ),
    Doubtful(
        "a step that jumps to itself",
        "nothing but a failure leads out of `a`",
        "have a `switch`",
        "- {id: a, kind: sleep, seconds: 60, next: «a}",
    ),
]
DOUBTFUL = [*ROUNDS, *FLOW, *SECRETS, *EFFECTS, *MANNERS, *INTERPRETERS]
