"""Manners between commands: who drives, who is told what, and what a plan knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkpointflow.client import Client
from checkpointflow.config import Settings, load_settings
from checkpointflow.errors import RunNotWaitingError, RunPausedError
from checkpointflow.frontends.document.loader import Loaded, load_text
from checkpointflow.frontends.document.plan import plan
from checkpointflow.kernel.surroundings import Interrupt
from checkpointflow.testing.clock import FakeClock

HEAD = "schema_version: checkpointflow/v1\nworkflow:\n  id: t\n  inputs: {type: object}\n  steps:\n"
ASK = "kind: await_event, audience: user, input_schema: {type: object}"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path / "home")


def loaded(*steps: str) -> Loaded:
    return load_text(HEAD + "".join(f"  - {step}\n" for step in steps), source_path=None, cwd="/nowhere")


def test_an_answer_that_is_sent_too_late_is_refused_and_drives_nothing(settings: Settings, tmp_path: Path) -> None:
    clock = FakeClock()
    late = loaded(
        f"{{id: a, {ASK}, event_name: q, timeout_seconds: 1, on_timeout: {{next: b}}}}",
        f"{{id: b, kind: cli, argv: [touch, {tmp_path}/driven]}}",
    )
    with Client(settings, clock=clock) as client:
        run = client.run(late, {})
        clock.advance(2)
        with pytest.raises(RunNotWaitingError, match="too late"):
            client.send(run.run_id, event="q", payload={})
        with pytest.raises(RunNotWaitingError, match="too late"):
            client.resume(run.run_id, event="q", follow=False)
        assert not (tmp_path / "driven").exists()
        assert client.resume(run.run_id).run.status == "completed"
    assert (tmp_path / "driven").exists()


@pytest.mark.parametrize("wait", [None, "w1"])
def test_who_answers_what_was_answered_is_told_by_whom_also_when_the_run_waits_for_more(
    settings: Settings, wait: str | None
) -> None:
    with Client(settings) as client:
        run = client.run(loaded(f"{{id: a, {ASK}, event_name: one}}", f"{{id: b, {ASK}, event_name: two}}"), {})
        assert client.resume(run.run_id, event="one").run.status == "waiting"
        with pytest.raises(RunNotWaitingError, match=f"{settings.actor} answered `one` at "):
            client.resume(run.run_id, event="one", wait=wait)


def test_going_on_with_a_completed_run_shows_it_as_it_is(settings: Settings) -> None:
    with Client(settings) as client:
        run = client.run(loaded("{id: e, kind: end, result: 7}"), {})
        again = client.resume(run.run_id)
    assert (again.run.value, again.driven) == ({"result": 7}, False)


def test_a_second_start_of_a_paused_run_says_that_it_has_to_be_resumed(settings: Settings) -> None:
    interrupt = Interrupt()
    document = loaded("{id: s, kind: sleep, seconds: 30}")
    with Client(settings, interrupt=interrupt, on_created=lambda _id: interrupt.ask("me")) as client:
        assert client.run(document, {}, run_id="same").status == "paused"
        with pytest.raises(RunPausedError, match="cpf resume --run-id same"):
            client.run(document, {}, run_id="same")


def test_a_plan_names_the_programs_of_every_command_that_it_can_read() -> None:
    document = loaded(
        "{id: a, kind: cli, command: 'nosuch2 && nosuch3 | nosuch4; if true; then nosuch5 x; fi'}",
        """{id: b, kind: cli, command: [nosuch6 x, "echo 'a; quoted'"]}""",
        "{id: c, kind: cli, argv: [nosuch7]}",
        "{id: d, kind: cli, command: 'echo ${run.id} ${run.workflow_id}; nosuch8'}",
    ).document
    missing = plan(document, {}, path="/nowhere", missing_secrets=[])["missing_programs"]
    assert missing == ["sh", "nosuch2", "nosuch3", "nosuch4", "nosuch5", "nosuch6", "nosuch7", "nosuch8"]
