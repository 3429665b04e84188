"""What one of many processes does in `test_documents_killed.py`: `python document_process.py DOES ARGUMENT…`."""

import json
import sys

from checkpointflow.client import Client
from checkpointflow.config import load_settings
from checkpointflow.errors import CheckpointflowError
from checkpointflow.frontends.document.loader import load_file


def say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def wait_for_the_signal() -> None:
    """Tell the parent that everything is loaded, so that all of its children can go at once."""
    import checkpointflow.stores.postgres
    import checkpointflow.stores.sqlite  # noqa: F401

    say("ready")
    sys.stdin.readline()


def run(file: str, run_id: str) -> None:
    loaded = load_file(file, cwd="/")
    wait_for_the_signal()
    with Client(load_settings()) as client:
        view = client.run(loaded, {}, run_id=run_id)
        say([view.status, view.value])


def answer(run_id: str, who: str) -> None:
    wait_for_the_signal()
    with Client(load_settings()) as client:
        try:
            view = client.resume(run_id, event="go", payload={"who": who}, has_payload=True).run
            say(["accepted", who, view.status])
        except CheckpointflowError as error:
            say([error.code, who, error.message])


if __name__ == "__main__":
    {"run": run, "answer": answer}[sys.argv[1]](*sys.argv[2:])
