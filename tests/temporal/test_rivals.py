"""Many people answer one wait at the same moment, and no worker lives that could say who came first."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from checkpointflow.errors import RunNotWaitingError
from checkpointflow.frontends.document.loader import load_file
from temporal.service import Service

FLOW = """schema_version: checkpointflow/v1
workflow:
  id: flow
  inputs: {}
  steps:
    - {id: ask, kind: await_event, audience: user, event_name: go, input_schema: {type: integer}}
    - {id: last, kind: end, result: "${steps.ask.outputs}"}
"""


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
