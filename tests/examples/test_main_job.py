"""The README's main job, by the real command line, on this repository: to its wait, revised, approved, written."""

import json
import subprocess
import sys

import pytest

from examples.stories import EXAMPLES, git, settings

ROOT = EXAMPLES.parent

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no git checkout")


@pytest.fixture
def cpf(tmp_path):
    place = settings(tmp_path)

    def run(*arguments, exit_code):
        """Run a command in the repository's root; its first word may be `cpf`, as in the commands that it prints."""
        words = arguments[1:] if arguments[0] == "cpf" else arguments
        done = subprocess.run(
            [sys.executable, "-m", "checkpointflow", *words],
            cwd=ROOT,
            env={**place.environment, "CPF_HOME": str(place.home)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == exit_code, done.stderr
        return json.loads(done.stdout)

    return run


def answered(envelope, folder, answer):
    """Return the command that the envelope offers for an answer."""
    (folder / "response.json").write_text(json.dumps(answer))
    argv = envelope["wait"]["resume"]["argv"]
    return [word.replace("@response.json", f"@{folder / 'response.json'}") for word in argv]


def test_the_main_job_runs_to_its_wait_is_revised_and_writes_the_notes(cpf, tmp_path):
    notes = tmp_path / "notes of this.md"
    first = git(ROOT, "log", "--no-merges", "--reverse", "--format=%h %s").splitlines()[0]
    name, _, subject = first.partition(" ")
    line = f"- {subject} ({name})"

    drafted = cpf("run", "-f", "examples/release_notes.yaml", "--set", f"output={notes}", exit_code=40)
    assert (drafted["status"], drafted["current_step_id"]) == ("waiting", "review")
    assert drafted["wait"]["prompt"].startswith("# Release notes\n\n## ")
    assert [wait["run_id"] for wait in cpf("waits", exit_code=0)["waits"]] == [drafted["run_id"]]

    comment = {"decision": "revise", "comment": "Thanks to everyone."}
    revised = cpf(*answered(drafted, tmp_path, comment), exit_code=40)
    assert revised["wait"]["prompt"].startswith("# Release notes\n\n> Thanks to everyone.\n\n## ")
    assert not notes.exists()

    written = cpf(*answered(revised, tmp_path, {"decision": "approve"}), exit_code=0)
    assert (written["status"], written["result"]) == ("completed", {"status": "written", "path": str(notes)})
    assert line in notes.read_text().splitlines()
    assert cpf("status", "--run-id", drafted["run_id"], exit_code=0)["result"] == written["result"]


def test_the_example_validates_strictly_and_can_be_planned(cpf):
    assert cpf("validate", "--strict", "-f", "examples/release_notes.yaml", exit_code=0)["problems"] == []
    plan = cpf("plan", "-f", "examples/release_notes.yaml", exit_code=0)["plan"]
    assert [wait["step_id"] for wait in plan["waits"]] == ["review"]
