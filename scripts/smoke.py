"""What is shipped, tried as a user has it: the wheel in an environment that holds nothing else, on any system.

`just smoke` builds the wheel, installs it, and goes from a new document to the end of a run. It needs a package index.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BIN = "Scripts" if sys.platform == "win32" else "bin"
DOCUMENT = """\
schema_version: checkpointflow/v1
workflow:
  id: smoke
  inputs: {type: object, properties: {name: {type: string}}, required: [name]}
  steps:
    - id: greet
      kind: cli
      argv: [PYTHON, -c, "import sys; print('Hello, ' + sys.argv[1])", "${inputs.name}"]
    - id: ask
      kind: await_event
      audience: user
      event_name: approval
      summary: ${steps.greet.stdout}
      input_schema: {type: object, required: [ok], properties: {ok: {type: boolean}}}
    - {id: done, kind: end, result: {ok: "${steps.ask.outputs.ok}", said: "${steps.greet.stdout}"}}
"""


def main() -> None:
    """Build, install, try; the first thing that is not as it should be ends the script with its output."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder).resolve()
        installed = Installed(place, install(place, build(place)))
        installed.data_is_there()
        installed.a_document_goes_to_its_end()
    print("the wheel is well")


def build(place: Path) -> Path:
    """Return the wheel of this repository, made anew."""
    said([uv(), "build", "--quiet", "--wheel", "--out-dir", str(place / "dist"), str(ROOT)])
    (wheel,) = (place / "dist").glob("*.whl")
    print(f"built {wheel.name}")
    return wheel


def install(place: Path, wheel: Path) -> Path:
    """Return `cpf` in a fresh environment that has the wheel and what it asks for."""
    environment = place / "environment"
    said([uv(), "venv", "--quiet", "--python", sys.executable, str(environment)])
    said([uv(), "pip", "install", "--quiet", "--python", str(environment), str(wheel)])
    return environment / BIN / "cpf"


def uv() -> str:
    """Return the uv that `scripts/setup` has put here, else the one on the PATH."""
    found = shutil.which("uv", path=os.pathsep.join([str(ROOT / ".tools" / BIN), os.environ["PATH"]]))
    if found is None:
        sys.exit("uv is missing; run `sh scripts/setup` first")
    return found


def said(words: Sequence[str]) -> None:
    """Run a command that has to succeed."""
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    if ended.returncode:
        sys.exit(f"{' '.join(words)} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")


class Installed:
    """The installed program, with a state folder and a working folder of its own."""

    def __init__(self, place: Path, program: Path) -> None:
        self._program = program
        self._cwd = place / "work"
        self._cwd.mkdir()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CPF_", "PYTHON"))}
        self._environment = kept | {"CPF_HOME": str(place / "home")}

    def data_is_there(self) -> None:
        """Try what comes from files beside the code."""
        assert self.text("--version").startswith("checkpointflow ")
        assert "properties" in json.loads(self.text("schema"))
        assert "properties" in json.loads(self.text("schema", "envelope"))
        assert "properties" in json.loads(self.text("schema", "test"))
        assert self.text("guide", "--topic", "examples").startswith("# ")
        for shell in ("bash", "zsh", "fish", "powershell"):
            assert "__complete" in self.text("completion", shell)
        for template in ("approval", "fan-out", "hand-off"):
            self.envelope(0, "init", f"{template}.yaml", "--template", template)
            self.envelope(0, "validate", "-f", f"{template}.yaml", "--strict")
        self.envelope(0, "test", "hand-off.yaml")

    def a_document_goes_to_its_end(self) -> None:
        """Validate, run to a wait, look, answer, and clear up."""
        text = DOCUMENT.replace("PYTHON", json.dumps(sys.executable))
        (self._cwd / "smoke.yaml").write_text(text, encoding="utf-8")
        (self._cwd / "answer.json").write_text('{"ok": true}', encoding="utf-8")
        self.envelope(0, "validate", "-f", "smoke.yaml", "--strict")
        waiting = self.envelope(40, "run", "-f", "smoke.yaml", "--set", "name=Ada & Bob", "--run-id", "smoke-1")
        assert waiting["wait"]["summary"].strip() == "Hello, Ada & Bob", waiting
        self.envelope(40, "status", "--run-id", "smoke-1")
        self.envelope(10, "resume", "--run-id", "smoke-1", "--event", "approval", "--input", "{}")
        ended = self.envelope(0, "resume", "--run-id", "smoke-1", "--event", "approval", "--input", "@answer.json")
        assert ended["result"]["ok"] is True, ended
        assert "Hello" in self.text("logs", "--run-id", "smoke-1")
        self.envelope(0, "doctor")
        self.envelope(0, "delete", "--run-id", "smoke-1")
        assert self.envelope(0, "runs")["runs"] == []

    def envelope(self, exit_code: int, *words: str) -> Any:
        """Return the envelope of a command that has to end with this code."""
        return json.loads(self.text(*words, exit_code=exit_code))

    def text(self, *words: str, exit_code: int = 0) -> str:
        """Return what a command prints; it has to end with this code."""
        ended = subprocess.run(
            [str(self._program), *words],
            cwd=self._cwd, env=self._environment, capture_output=True, encoding="utf-8", check=False,
        )  # fmt: skip
        if ended.returncode != exit_code:
            sys.exit(f"cpf {' '.join(words)} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")
        print(f"cpf {' '.join(words)}: {exit_code}, as it should")
        return ended.stdout


if __name__ == "__main__":
    main()
