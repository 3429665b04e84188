"""Many people answer one question, at the same moment or one after the other, and no worker lives that could say who
came first."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from checkpointflow.engines.temporal.wire import message_json
from checkpointflow.errors import RunNotWaitingError, StepNotInDoubtError
from checkpointflow.frontends.document.loader import load_file
from checkpointflow.kernel.ids import RunId
from checkpointflow.testing.samples import message
from temporal.service import Service

FLOW = """schema_version: checkpointflow/v1
workflow:
  id: flow
  inputs: {}
  steps:
    - {id: ask, kind: await_event, audience: user, event_name: go, input_schema: {type: integer}}
    - {id: last, kind: end, result: "${steps.ask.outputs}"}
"""


BESIDE = """schema_version: checkpointflow/v1
workflow:
  id: flow
  inputs: {}
  steps:
    - id: both
      kind: parallel
      branches:
        - {id: work, steps: [{id: held, kind: cli, command: "echo > begun; sleep 1000"}]}
        - id: person
          steps: [{id: ask, kind: await_event, audience: user, event_name: go, input_schema: {type: integer}}]
    - {id: last, kind: end, result: "${steps.both.outputs}"}
"""
DOUBT = """schema_version: checkpointflow/v1
workflow:
  id: flow
  inputs: {}
  steps:
    - {id: pay, kind: cli, effect: once, command: "echo > begun; sleep 1000"}
    - {id: last, kind: end, result: "${steps.pay.outputs}"}
"""


def left_in_a_step(service: Service, text: str, run_id: str) -> None:
    """Begin a run, and go away with the worker while its step is under way."""
    service.write("flow.yaml", text)
    os.mkfifo(service.folder / "begun")
    with service.served(), service.client() as client:
        client.start(load_file("flow.yaml", cwd=str(service.folder)), {}, run_id=run_id)
        (service.folder / "begun").read_text()


def test_an_answer_beside_a_step_that_nobody_goes_on_with_is_accepted_once(service: Service) -> None:
    left_in_a_step(service, BESIDE, "beside")
    with service.client() as client:
        client.send("beside", event="go", payload=1, event_id="ada")
        for name in ("bob", "carol"):
            with pytest.raises(RunNotWaitingError, match="answered"):
                client.send("beside", event="go", payload=2, event_id=name)
        (wait,) = client._runs.waits(RunId("beside"))
        assert wait.answered


def test_of_decisions_about_one_doubt_without_a_worker_the_first_counts(service: Service) -> None:
    left_in_a_step(service, DOUBT, "doubt")
    with service.served(), service.client() as client:
        assert client.resume("doubt").run.status == "waiting"
    with service.client() as client:
        client.decide("doubt", "pay", "done", output="by ada", reason=None, follow=False)
        for decision in ("fail", "again"):
            with pytest.raises(StepNotInDoubtError, match="done"):
                client.decide("doubt", "pay", decision, reason=None, follow=False)
    with service.served(), service.client() as client:
        assert client.resume("doubt").run.value == {"result": "by ada"}


def test_an_answer_to_a_run_that_has_ended_since_the_door_looked_is_told_whose_counts(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.write("flow.yaml", FLOW)
    with service.served(), service.client() as client:
        assert client.run(load_file("flow.yaml", cwd=str(service.folder)), {}, run_id="ended").status == "waiting"
        runs, found = client._runs, client._runs.found
        before = iter([found(RunId("ended"))])
        assert client.resume("ended", event="go", payload=1, has_payload=True, event_id="ada").run.status == "completed"
        monkeypatch.setattr(runs, "found", lambda run_id: next(before, None) or found(run_id))
        late = message("bob", name="go", wait="w1", payload=2, run_id=RunId("ended"))
        delivery = runs._signalled(late, message_json(late))
    assert (delivery.outcome, delivery.message and delivery.message.event_id) == ("answered", "ada")


def test_an_early_event_whose_wait_was_opened_while_it_was_on_its_way_answers_it(service: Service) -> None:
    service.write("flow.yaml", FLOW)
    with service.served(), service.client() as client:
        assert client.run(load_file("flow.yaml", cwd=str(service.folder)), {}, run_id="early").status == "waiting"
        early = message("e1", name="go", payload=7, run_id=RunId("early"))
        client._runs._asked(RunId("early"), lambda _client, handle: handle.signal("deliver", message_json(early)))
        assert client.resume("early").run.value == {"result": 7}


def test_of_many_answers_at_once_without_a_worker_one_is_accepted_and_it_counts(service: Service) -> None:
    service.write("flow.yaml", FLOW)
    with service.served(), service.client() as client:
        assert client.run(load_file("flow.yaml", cwd=str(service.folder)), {}, run_id="rivals").status == "waiting"

    def accepted(number: int) -> bool:
        with service.client() as client:
            try:
                client.send("rivals", event="go", payload=number, event_id=f"person-{number}")
            except RunNotWaitingError:
                return False
            return True

    with ThreadPoolExecutor(8) as people:
        taken = [number for number, is_taken in enumerate(people.map(accepted, range(8))) if is_taken]
    with service.served(), service.client() as client:
        done = client.resume("rivals").run
    assert [{"result": number} for number in taken] == [done.value]
