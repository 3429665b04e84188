"""Envelopes as they were when somebody last looked at them, word for word; what differs between runs is masked.

`python -m cli.test_snapshots`, in `tests/`, takes them anew; look at the difference before you commit it.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

import pytest

from cli.documents import FAILING, GATE, SLEEPING, WARNED
from cli.program import Program

SNAPSHOTS = Path(__file__).with_name("snapshots")
CASES = {
    "run-waits": ("run", "-f", "gate.yaml"),
    "run-sleeps": ("run", "-f", "sleeping.yaml"),
    "run-fails": ("run", "-f", "failing.yaml"),
    "validate-warns": ("validate", "-f", "warned.yaml"),
    "validate-refuses": ("validate", "-f", "nowhere.yaml"),
    "plan": ("plan", "-f", "gate.yaml"),
    "inspect": ("inspect", "--run-id", "known-run"),
    "resume-refused": ("resume", "--run-id", "known-run", "--event", "stop"),
    "send-refused": ("send", "--run-id", "known-run", "--event", "stop"),
    "status": ("status", "--run-id", "known-run"),
    "runs": ("runs",),
    "waits": ("waits",),
    "flows": ("flows",),
    "flows-detail": ("flows", "--detail", "gate"),
    "delete-refused": ("delete", "--run-id", "known-run"),
    "usage": ("runn",),
}


@pytest.mark.parametrize("name", CASES)
def test_an_envelope_is_as_it_was(cpf: Program, name: str) -> None:
    assert taken(cpf, name) == (SNAPSHOTS / f"{name}.json").read_text()


def test_every_snapshot_is_of_a_command() -> None:
    assert {path.stem for path in SNAPSHOTS.iterdir()} == set(CASES)


def taken(cpf: Program, name: str) -> str:
    for file, text in {"gate": GATE, "sleeping": SLEEPING, "failing": FAILING, "warned": WARNED}.items():
        cpf.write(f"{file}.yaml", text)
    (cpf.cwd / ".checkpointflow").mkdir()
    cpf.write(".checkpointflow/gate.yaml", GATE)
    cpf.write(".checkpointflow/broken.yaml", "a: [")
    cpf("run", "-f", "gate.yaml", "--run-id", "known-run")
    answer = cpf(*CASES[name])
    assert answer.envelope
    return masked(answer.stdout, cpf)


def masked(text: str, cpf: Program) -> str:
    envelope = json.loads(text)
    for shown, mask in ((str(cpf.home), "HOME"), (str(cpf.cwd), "HERE")):
        text = text.replace(shown, mask)
    if isinstance(envelope.get("run_id"), str):
        text = text.replace(envelope["run_id"], "RUN")
    text = re.sub(r'"\d{4}-\d\d-\d\dT[\d:.]+Z"', '"INSTANT"', text)
    text = re.sub(r'"(digest|definition|host)": "[^"]*"', r'"\1": "MASKED"', text)
    text = re.sub(r'"found": "[^"]*"', '"found": "PATH"', text)
    return re.sub(r'"elapsed_seconds": [\d.e-]+', '"elapsed_seconds": 0', text)


if __name__ == "__main__":
    for case in CASES:
        folder = Path(tempfile.mkdtemp())
        (folder / "here").mkdir()
        text = taken(Program(home=folder / "home", cwd=folder / "here"), case)
        (SNAPSHOTS / f"{case}.json").write_text(text)
