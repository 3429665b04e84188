"""The hand-off at the command line: each side finds its question in its inbox, and all that an answer needs."""

import json
import subprocess

import pytest

from checkpointflow.schemas import check
from cli.program import Program
from examples.stories import EXAMPLES, settings

TEXT = "Dear reader,\nwelcome.\n"
DIFF = "--- a/notes.txt\n+++ b/notes.txt\n@@ -1,2 +1,2 @@\n-Dear {old},\n+Dear {new},\n welcome.\n"
REVISE = {"decision": "revise", "comment": "Bob, please"}
APPLY = {"decision": "apply"}


def patch(*, old="reader", new="Ann", diff=DIFF):
    return {"title": f"Greet {new}", "why": "friendlier", "risk": "low", "patch": diff.format(old=old, new=new)}


class Desk:
    """A folder with a file to change, and the program whose envelopes are all that anybody sees."""

    def __init__(self, folder, monkeypatch):
        place = settings(folder)
        self.folder = folder / "cwd"
        self.file = self.folder / "notes.txt"
        self.file.write_text(TEXT)
        self._program = Program(home=place.home, cwd=self.folder)
        for name, value in {**place.environment, **self._program.environment}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(self.folder)

    def cpf(self, *words, exit_code):
        answer = self._program.here(*words)
        assert answer.exit_code == exit_code, answer.stdout + answer.stderr
        return answer.envelope

    def run(self):
        inputs = {"file": "notes.txt", "task": "Greet the reader by name"}
        return self.cpf("run", "-f", str(EXAMPLES / "reviewed_patch.yaml"), "--input", json.dumps(inputs), exit_code=40)

    def inbox(self, audience):
        """Return the one wait of an audience."""
        (wait,) = self.cpf("waits", "--audience", audience, exit_code=0)["waits"]
        return wait

    def answer(self, wait, answer, *, exit_code):
        """Answer with the command that the wait offers, as an agent does that sees nothing else."""
        argv = wait["resume"]["argv"]
        (file,) = (word.removeprefix("@") for word in argv if word.startswith("@"))
        (self.folder / file).write_text(json.dumps(answer))
        return self.cpf(*argv[1:], exit_code=exit_code)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    return Desk(tmp_path, monkeypatch)


def test_the_wait_alone_tells_the_agent_what_to_write(desk):
    desk.run()
    wait = desk.inbox("agent")
    for told in ("Greet the reader by name", "--- a/notes.txt\n+++ b/notes.txt", TEXT, "git apply", "`why`", "`risk`"):
        assert told in wait["prompt"]
    assert set(wait["input_schema"]["required"]) == {"title", "why", "risk", "patch"}
    assert all(field["description"] for field in wait["input_schema"]["properties"].values())
    assert check(patch(), wait["input_schema"]) == []
    assert check(wait["example"], wait["input_schema"]) != []


def test_it_goes_from_inbox_to_inbox_until_the_file_is_changed(desk):
    desk.run()
    desk.answer(desk.inbox("agent"), patch(), exit_code=40)
    asked = desk.inbox("user")
    assert desk.cpf("waits", "--audience", "agent", exit_code=0)["waits"] == []
    for told in ("Greet Ann", "friendlier", patch()["patch"], "`notes.txt`", "`revise`"):
        assert told in asked["prompt"]
    assert asked["summary"] == "Greet Ann (notes.txt: 1 lines added, 1 removed, risk low)"
    desk.answer(asked, REVISE, exit_code=40)
    assert "The user wants another patch: Bob, please\n" in desk.inbox("agent")["prompt"]
    desk.answer(desk.inbox("agent"), patch(new="Bob"), exit_code=40)
    assert desk.file.read_text() == TEXT
    ended = desk.answer(desk.inbox("user"), APPLY, exit_code=0)
    assert (ended["result"]["status"], desk.file.read_text()) == ("applied", "Dear Bob,\nwelcome.\n")


def test_the_user_is_not_asked_about_a_patch_that_git_refuses(desk):
    desk.run()
    for answer, reason in [
        (patch(old="somebody"), "error: patch failed: notes.txt:1"),
        (patch(diff=DIFF.replace("notes.txt", "other.txt")), "other.txt"),
        (patch(diff=DIFF + DIFF.replace("notes.txt", "/etc/passwd")), "passwd"),
        (patch(diff="--- a/notes.txt\nnonsense\n"), "No valid patches"),
    ]:
        desk.answer(desk.inbox("agent"), answer, exit_code=40)
        told = desk.inbox("agent")["prompt"]
        assert "Your last patch was refused: " in told
        assert reason in told
    assert desk.file.read_text() == TEXT


def test_an_answer_of_another_shape_is_refused_and_the_question_stays(desk):
    desk.run()
    for answer in ({}, patch() | {"risk": "none"}, patch() | {"patch": "diff --git"}, patch() | {"more": 1}):
        desk.answer(desk.inbox("agent"), answer, exit_code=10)
    desk.answer(desk.inbox("agent"), patch(), exit_code=40)
    desk.answer(desk.inbox("user"), {"decision": "revise"}, exit_code=10)


def test_a_file_that_changed_after_the_approval_is_shown_to_the_agent_again(desk):
    desk.run()
    desk.answer(desk.inbox("agent"), patch(), exit_code=40)
    desk.file.write_text("Dear all,\nwelcome.\n")
    desk.answer(desk.inbox("user"), APPLY, exit_code=40)
    told = desk.inbox("agent")["prompt"]
    assert "approved, but not applied: error: patch failed" in told
    assert "Dear all," in told


def test_a_patch_that_is_there_already_is_not_applied_twice(desk):
    desk.run()
    desk.answer(desk.inbox("agent"), patch(), exit_code=40)
    changed = patch()["patch"].replace("\\n", "\n")
    subprocess.run(["git", "apply", "-"], cwd=desk.folder, input=changed, text=True, check=True)
    assert desk.answer(desk.inbox("user"), APPLY, exit_code=0)["result"]["status"] == "applied"
    assert desk.file.read_text() == "Dear Ann,\nwelcome.\n"
