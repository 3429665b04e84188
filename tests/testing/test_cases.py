"""What a case may say, and that it holds: every promise is tried once kept and, where it can break, once broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from checkpointflow.testing import CaseResult, run_case
from frontends.running import document

GATE = "{id: gate, kind: await_event, audience: user, event_name: go, input_schema: {required: [ok]}%s}"
FAIL = "{id: fail, kind: end, fail: over}"


@pytest.fixture
def play(tmp_path: Path) -> Any:
    """Play a case, written in YAML, of a document of these steps."""

    def played(steps: str, case: str, *, head: str = "", inputs: str = "{}") -> CaseResult:
        path = tmp_path / "main.yaml"
        path.write_text(document(steps, head=head, inputs=inputs), encoding="utf-8")
        return run_case(path, yaml.safe_load(case))

    return played


def passes(result: CaseResult) -> None:
    result.check()
    assert result.ok


def told(result: CaseResult) -> str:
    """Return what a case that did not come out as expected says."""
    assert not result.ok
    with pytest.raises(AssertionError, match="did not come out as expected"):
        result.check()
    return "\n".join(result.lines)


# -- mocks -----------------------------------------------------------------------------------------


def test_an_effect_that_is_not_mocked_is_refused_even_where_a_failure_would_lead_on(play: Any) -> None:
    steps = "- {id: a, kind: cli, command: touch /nowhere/it, on_error: {next: end}}"
    result = play(steps, "expect: {status: completed}")
    assert told(result) == "mocks: step `a` (cli) is not mocked; give `a` an entry in `mocks`, or name it in `real`"
    assert result.outcome.is_broken


def test_a_step_is_performed_for_real_where_the_case_says_so(play: Any) -> None:
    steps = "- {id: a, kind: cli, command: 'echo $((1+1)) > file; cat file; ls', parse: lines}"
    passes(
        play(
            f"{steps}\n- {{id: e, kind: end, result: '${{steps.a.outputs}}'}}",
            "{real: [a], expect: {result: ['2', file]}}",
        )
    )


@pytest.mark.parametrize(
    ("fields", "mock", "shown"),
    [
        ("command: x", '{stdout: "hi\\n"}', {"outputs": {}, "stdout": "hi\n", "exit_code": 0}),
        ("command: x", "{output: {a: 1}}", {"outputs": {"a": 1}, "exit_code": 0}),
        ("command: x, parse: lines", "{output: [a, b]}", {"outputs": ["a", "b"], "exit_code": 0}),
        ("command: x, parse: text", "{output: a}", {"outputs": "a", "exit_code": 0}),
        ("command: x, success: {exit_codes: [3]}", "{}", {"outputs": {}, "stdout": "", "exit_code": 3}),
    ],
)
def test_a_mocked_command_is_read_as_the_step_says(play: Any, fields: str, mock: str, shown: dict[str, Any]) -> None:
    steps = f"- {{id: a, kind: cli, {fields}}}\n- {{id: e, kind: end, result: '${{steps.a}}'}}"
    result = play(steps, f"{{mocks: {{a: {mock}}}, expect: {{status: completed}}}}")
    passes(result)
    assert result.outcome.value["result"] == {"status": "completed", **shown}


@pytest.mark.parametrize(
    ("step", "mock"),
    [
        ("kind: cli, command: x", "{output: text}"),
        ("kind: cli, command: x, parse: lines", "{output: {a: 1}}"),
        ("kind: api, url: 'http://a/'", "{output: [1]}"),
    ],
)
def test_an_output_that_the_step_could_not_have_is_refused(play: Any, step: str, mock: str) -> None:
    result = play(f"- {{id: a, {step}}}", f"{{mocks: {{a: {mock}}}, expect: {{status: completed}}}}")
    assert "of which this step would make" in told(result)


def test_a_mocked_answer_has_status_headers_and_body(play: Any) -> None:
    steps = """
    - {id: a, kind: api, url: 'http://a/', on_error: {next: e}}
    - {id: e, kind: end, result: '${steps.a.error.details}'}
    """
    case = """
    mocks: {a: {status_code: 429, headers: {Retry-After: '7'}, body: slow down}}
    expect:
      result:
        status_code: 429
        body: slow down
        headers: {content-type: 'text/plain; charset=utf-8', retry-after: "7"}
        retry_after: 7
    """
    passes(play(steps, case))


def test_outputs_of_mocks_are_held_against_the_schema_of_the_step(play: Any) -> None:
    steps = "- {id: a, kind: python, call: 'm:f', outputs: {type: integer}}"
    passes(play(steps, "{mocks: {a: {output: 3}}, expect: {calls: {a: {call: 'm:f', args: {}}}}}"))
    passes(play(steps, "{mocks: {a: {output: x}}, expect: {error: {code: ERR_STEP_OUTPUT_INVALID, step: a}}}"))


def test_a_list_of_mocks_serves_attempts_in_turn_and_ends(play: Any) -> None:
    steps = "- {id: a, kind: cli, command: x, retry: {max_attempts: 3, backoff_seconds: 100, on: ['exit:75']}}"
    case = "{mocks: {a: [{exit_code: 75}, {exit_code: 75}, {}]}, expect: {calls: {a: 3}, elapsed_seconds: 200}}"
    passes(play(steps, case))
    short = "{mocks: {a: [{exit_code: 75}]}, expect: {status: completed}}"
    assert "the mock of `a` lists 1, and `a` asks for one more" in told(play(steps, short))


def test_a_mock_for_a_key_counts_before_one_for_an_id(play: Any) -> None:
    steps = """
    - {id: each, kind: foreach, items: '[1, 2]', body: [{id: a, kind: python, call: 'm:f'}]}
    - {id: e, kind: end, result: '${steps.each.outputs.iterations.map(one, one.a)}'}
    """
    passes(play(steps, "{mocks: {a: {output: any}, 'each[1]/a': {output: second}}, expect: {result: [any, second]}}"))


def test_a_mock_says_how_a_step_fails(play: Any) -> None:
    steps = "- {id: a, kind: python, call: 'm:f', retry: {max_attempts: 2, on: [ValueError]}}"
    error = "{message: bad, details: {exceptions: [ValueError]}}"
    passes(
        play(
            steps,
            f"{{mocks: {{a: {{error: {error}}}}}, expect: {{calls: {{a: 2}}, error: {{message: bad, step: a}}}}}}",
        )
    )


def test_a_mock_that_takes_longer_than_its_step_may_times_out(play: Any) -> None:
    steps = "- {id: a, kind: cli, command: x, timeout_seconds: 5}"
    expect = "expect: {error: {code: ERR_TIMEOUT, step: a}, elapsed_seconds: 5}"
    passes(play(steps, f"{{mocks: {{a: {{delay_seconds: 6}}}}, {expect}}}"))
    passes(play(steps, f"{{mocks: {{a: {{error: {{code: ERR_TIMEOUT}}}}}}, {expect}}}"))
    passes(play(steps, "{mocks: {a: {delay_seconds: 5}}, expect: {elapsed_seconds: 5}}"))
    never = "- {id: a, kind: cli, command: x}"
    assert "has no `timeout_seconds`" in told(
        play(never, f"{{mocks: {{a: {{error: {{code: ERR_TIMEOUT}}}}}}, {expect}}}")
    )


def test_a_failure_stops_a_mock_that_still_goes_on(play: Any) -> None:
    steps = """
    - id: fan
      kind: parallel
      branches: [{start_at: slow}, {start_at: bad}]
    - {id: slow, kind: cli, command: x}
    - {id: bad, kind: cli, command: x}
    """
    mocks = "mocks: {slow: {delay_seconds: 100}, bad: {exit_code: 1, delay_seconds: 3}}"
    case = f"{{{mocks}, expect: {{error: {{step: bad}}, elapsed_seconds: 3}}}}"
    passes(play(steps, case))


# -- secrets ---------------------------------------------------------------------------------------

SECRET = "secrets: {token: {env: NO_SUCH_VARIABLE}}"


def test_a_mocked_step_needs_no_secret_and_its_call_shows_none(play: Any) -> None:
    steps = "- {id: a, kind: cli, command: 'curl -H @- x', stdin: 'Bearer ${secrets.token}'}"
    case = "{mocks: {a: {}}, expect: {calls: {a: {stdin: 'Bearer ${secrets.token}'}}}}"
    passes(play(steps, case, head=SECRET))


def test_a_real_step_whose_secret_is_missing_says_so(play: Any) -> None:
    steps = "- {id: a, kind: cli, command: cat, stdin: '${secrets.token}'}"
    assert "`NO_SUCH_VARIABLE` is not set" in told(play(steps, "{real: [a], expect: {status: completed}}", head=SECRET))


# -- answers, events, cancellation -----------------------------------------------------------------


def gate(more: str = "") -> str:
    return f"- {GATE % more}\n- {{id: e, kind: end, result: '${{steps.gate.outputs}}'}}"


def test_an_answer_is_held_against_the_schema_of_its_wait(play: Any) -> None:
    refused = "answers: [{event: go, payload: {}, refused: true}, {event: go, payload: {ok: 1}}]"
    passes(play(gate(), f"{{{refused}, expect: {{result: {{ok: 1}}}}}}"))
    wrong = told(play(gate(), "{answers: [{event: go, payload: {}}], expect: {status: waiting}}"))
    assert wrong == "answers[0]: it does not fit what `go` asks for: `ok` is missing"
    right = "{answers: [{event: go, payload: {ok: 1}, refused: true}], expect: {status: completed}}"
    assert told(play(gate(), right)) == "answers[0]: it was to be refused, and it was accepted"


def test_an_answer_for_nobody_and_one_for_somebody_else_are_told(play: Any) -> None:
    answers = "[{event: go, audience: agent, payload: {ok: 1}}, {wait: gate, payload: {ok: 2}}]"
    two = f"{{answers: {answers}, expect: {{result: {{ok: 1}}}}}}"
    assert told(play(gate(), two)).splitlines() == [
        'answers[0].audience: expected "agent", was "user"',
        "answers[1]: it was not given: no wait or doubt opened that fits `gate`",
    ]


def test_deadlines_pass_and_an_answer_after_one_is_refused(play: Any) -> None:
    steps = gate(", timeout_seconds: 60, on_timeout: {outputs: {ok: late}}")
    passes(play(steps, "expect: {result: {ok: late}, elapsed_seconds: 60}"))
    answer = "{event: go, payload: {ok: 1}, after_seconds: %s}"
    passes(play(steps, f"{{answers: [{answer % 59}], expect: {{result: {{ok: 1}}, elapsed_seconds: 59}}}}"))
    assert told(play(steps, f"{{answers: [{answer % 60}], expect: {{result: {{ok: late}}}}}}")) == (
        "answers[0]: it came too late: the wait was not open any more"
    )
    refused = "{event: go, payload: {ok: 1}, after_seconds: 60, refused: true}"
    passes(play(steps, f"{{answers: [{refused}], expect: {{result: {{ok: late}}}}}}"))


def test_an_event_before_its_wait_is_kept_and_one_that_nobody_takes_up_is_told(play: Any) -> None:
    steps = "- {id: nap, kind: sleep, seconds: 3600}\n" + gate()
    sent = "events: [{event: go, payload: {ok: 1}, after_seconds: %d}]"
    passes(play(steps, f"{{{sent % 9}, expect: {{result: {{ok: 1}}, elapsed_seconds: 3600}}}}"))
    passes(play(steps, f"{{{sent % 4000}, expect: {{result: {{ok: 1}}, elapsed_seconds: 4000}}}}"))
    twice = "{events: [{event: go, payload: {ok: 1}}, {event: go, payload: {ok: 2}}], expect: {result: {ok: 1}}}"
    assert told(play(steps, twice)) == "events (`go`): no wait took it up"
    misfit = "{events: [{event: go, payload: {}}], expect: {status: waiting}}"
    assert told(play(steps, misfit)) == "events (`go`): it did not fit the wait that opened for it"


def test_a_run_is_cancelled_when_the_case_says_so(play: Any) -> None:
    passes(play(gate(), "{cancel: {after_seconds: 9}, expect: {status: cancelled, elapsed_seconds: 9, path: [gate]}}"))
    passes(play(gate(), "{cancel: {wait: gate}, expect: {status: cancelled, elapsed_seconds: 0}}"))
    busy = "- {id: a, kind: cli, command: x}\n- {id: b, kind: cli, command: x}"
    passes(
        play(
            busy, "{mocks: {a: {delay_seconds: 9}}, cancel: {after_seconds: 5}, expect: {status: cancelled, path: [a]}}"
        )
    )
    late = "{mocks: {a: {}, b: {}}, cancel: {after_seconds: 5}, expect: {status: completed}}"
    assert told(play(busy, late)) == "cancel: nothing was cancelled: the run had ended before"


def test_a_step_in_doubt_is_decided(play: Any) -> None:
    steps = """
    - {id: a, kind: python, call: 'm:f', effect: once, outputs: {type: integer}}
    - {id: e, kind: end, result: '${steps.a.outputs}'}
    """
    mocks = "mocks: {a: [{lost: true}, {output: 2}]}"
    passes(play(steps, f"{{{mocks}, expect: {{status: waiting}}}}"))
    passes(play(steps, f"{{{mocks}, answers: [{{wait: a, decide: again}}], expect: {{result: 2, calls: {{a: 2}}}}}}"))
    passes(
        play(
            steps, f"{{{mocks}, answers: [{{wait: a, decide: fail}}], expect: {{error: {{code: ERR_STEP_IN_DOUBT}}}}}}"
        )
    )
    done = "answers: [{wait: a, decide: done, output: 7}]"
    passes(play(steps, f"{{{mocks}, {done}, expect: {{result: 7}}}}"))
    misfit = f"{{{mocks}, {done.replace('7', 'x')}, expect: {{status: waiting}}}}"
    assert "answers[0]: the output does not fit the schema of step `a`" in told(play(steps, misfit))


# -- time ------------------------------------------------------------------------------------------


def test_a_run_starts_when_the_case_says(play: Any) -> None:
    steps = "- {id: nap, kind: sleep, until: '2031-05-01T12:00:00Z'}\n- {id: e, kind: end, result: '${run.started_at}'}"
    expect = "{elapsed_seconds: 7200, result: '2031-05-01T10:00:00.000000Z'}"
    case = f"{{starts_at: '2031-05-01T10:00:00+00:00', expect: {expect}}}"
    passes(play(steps, case))


def test_a_case_stops_looking_when_it_says(play: Any) -> None:
    steps = gate(", timeout_seconds: 60")
    passes(play(steps, "{stop_after_seconds: 59, expect: {status: waiting, elapsed_seconds: 59}}"))
    passes(play(steps, "{stop_after_seconds: 61, expect: {error: {code: ERR_TIMEOUT}}}"))
    busy = "- {id: a, kind: cli, command: x}"
    passes(play(busy, "{mocks: {a: {delay_seconds: 9}}, stop_after_seconds: 5, expect: {status: paused}}"))


END_OF_TIME = "run: virtual time has come to the end of the year 9999; begin earlier, or end the loop that lets it pass"


@pytest.mark.parametrize(
    ("steps", "case"),
    [
        (gate(", timeout_seconds: 1000000000, on_timeout: {next: gate}"), "expect: {status: waiting}"),
        (gate(", timeout_seconds: 86400"), "{starts_at: '9999-12-31T00:00:00Z', expect: {error: {code: ERR_TIMEOUT}}}"),
        ("- {id: n, kind: sleep, seconds: 86400}", "{starts_at: '9999-12-31T00:00:00Z', expect: {status: completed}}"),
        (
            "- {id: a, kind: cli, command: x}",
            "{starts_at: '9999-12-31T00:00:00Z', mocks: {a: {delay_seconds: 86400}}, expect: {status: completed}}",
        ),
        (
            "- {id: a, kind: cli, command: x, retry: {max_attempts: 2, backoff_seconds: 86400}}",
            "{starts_at: '9999-12-31T00:00:00Z', mocks: {a: {exit_code: 1}}, expect: {status: failed}}",
        ),
    ],
)
def test_a_case_whose_time_comes_to_the_last_year_fails_and_says_so(play: Any, steps: str, case: str) -> None:
    assert told(play(steps, case)).splitlines()[0] == END_OF_TIME


def test_a_case_near_the_end_of_time_holds_as_long_as_time_does_not_reach_it(play: Any) -> None:
    case = "{starts_at: '9999-12-31T00:00:00Z', answers: [{wait: gate, payload: {ok: 1}}], expect: {status: completed}}"
    passes(play(gate(", timeout_seconds: 86400"), case))


def test_a_year_of_short_sleeps_passes_at_once(play: Any) -> None:
    steps = """
    - {id: n, kind: set, values: {n: '${default(steps.n.outputs.n, 0) + 1}'}}
    - {id: nap, kind: sleep, seconds: 3153600}
    - {id: s, kind: switch, cases: [{when: steps.n.outputs.n < 10, next: n}], default: end}
    """
    passes(play(steps, "expect: {elapsed_seconds: 31536000, path: {in_order: [n, nap, 'nap#10', 's#10']}}"))


# -- expectations ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expect", "line"),
    [
        ("{status: failed}", 'status: expected "failed", was "completed" (the last step that began is `e`)'),
        ("{result: {a: 1, b: [1, 3]}}", "result.b[1]: expected 3, was 2"),
        ("{result: {a: true, b: [1, 2]}}", "result.a: expected true, was 1"),
        ("{result: {a: 1, b: [1, 2], c: null}}", "result.c: expected null, was nothing"),
        ("{result: {a: 1}}", "result.b: expected nothing, was [1,2]"),
        ("{outputs: {}}", "outputs: expected {}, was nothing"),
        ("{path: {in_order: [e, a]}}", "path.in_order: - expected, + was (`a` did not come after `e`)"),
        ("{calls: {a: 2}}", "calls.a: expected 2, was 1 (`a`)"),
        ("{calls: {a: []}}", "calls.a: expected 0, was 1 (`a`)"),
        ("{calls: {a: {command: echo Bob}}}", 'calls.a.command: expected "echo Bob", was "echo Ann"'),
        ("{calls: {a: {env: {A: '1'}}}}", 'calls.a.env: expected {"A":"1"}, was nothing'),
        ("{elapsed_seconds: 1}", "elapsed_seconds: expected 1, was 0.0"),
        ("{error: {code: ERR_TIMEOUT}}", 'error.code: expected "ERR_TIMEOUT", was nothing'),
    ],
)
def test_what_is_not_as_expected_is_told_with_its_place(play: Any, expect: str, line: str) -> None:
    steps = "- {id: a, kind: cli, command: 'echo ${inputs.name}'}\n- {id: e, kind: end, result: {a: 1, b: [1, 2]}}"
    result = play(steps, f"{{input: {{name: Ann}}, mocks: {{a: {{}}}}, expect: {expect}}}")
    assert line in told(result).splitlines()


def test_paths_and_long_texts_are_told_line_by_line(play: Any) -> None:
    steps = '- {id: a, kind: set, values: {}}\n- {id: e, kind: end, result: "one\\ntwo\\n"}'
    lines = told(play(steps, 'expect: {path: [a, gone], result: "one\\n2\\n"}'.replace("gone", "a#2"))).splitlines()
    assert lines == [
        "result: - expected, + was",
        "    one",
        "  - 2",
        "  + two",
        "path: - expected, + was",
        "    a",
        "  - a#2",
        "  + e",
    ]


def test_a_status_that_nobody_expected_is_told_with_the_error(play: Any) -> None:
    assert told(play(f"- {FAIL}", "expect: {result: 1}")) == 'status: expected "completed", was "failed" (over)'


def test_waits_are_compared_by_the_fields_that_are_named(play: Any) -> None:
    steps = gate(", prompt: 'Go, ${inputs.name}?', risk_level: low")
    expect = "{status: waiting, waits: {gate: {prompt: 'Go, Ann?', input_schema: {required: [ok]}}}}"
    passes(play(steps, f"{{input: {{name: Ann}}, expect: {expect}}}"))
    assert (
        told(play(steps, f"{{input: {{name: Bob}}, expect: {expect}}}"))
        == 'waits.gate.prompt: expected "Go, Ann?", was "Go, Bob?"'
    )


def test_a_command_is_shown_as_it_is_written_with_its_values(play: Any) -> None:
    steps = """- {id: a, kind: cli, command: ['echo "${inputs.x}"', "printf '%s' '${inputs.x}' $${HOME}"]}"""
    case = """
    input: {x: "a 'b'"}
    mocks: {a: {}}
    expect: {calls: {a: {command: ["echo \\"a 'b'\\"", "printf '%s' 'a 'b'' ${HOME}"], shell: sh}}}
    """
    passes(play(steps, case))


def test_an_input_that_does_not_fit_is_refused_as_a_run_would_be(play: Any) -> None:
    inputs = "{required: [x]}"
    passes(
        play(
            f"- {FAIL}",
            "expect: {status: refused, error: {code: ERR_VALIDATION_INPUT, message: is missing}}",
            inputs=inputs,
        )
    )
    assert "`x` is missing" in told(play(f"- {FAIL}", "expect: {status: completed}", inputs=inputs))
