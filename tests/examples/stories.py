"""Ways through the examples: input, answers by step key, and exactly what has to come of it."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from checkpointflow.client import Client
from checkpointflow.config import Settings
from checkpointflow.frontends.document.loader import Loaded, load_file
from checkpointflow.values import JsonObject, JsonValue
from checkpointflow.views import RunView
from local_server import LocalServer, Reply, Seen

EXAMPLES = Path(__file__).parents[2] / "examples"
MOVES = 100
TOKEN, KEY = "the-token-of-the-notices", "the-key-of-the-notices"
UNPINNED = "is not kept with the run"
"""What lint says of every step of kind `python`."""


@dataclass(frozen=True, kw_only=True)
class Story:
    """One way through an example. `prepare` makes what the run finds in its folder; `files` is what it leaves there."""

    name: str
    file: str
    input: JsonObject = field(default_factory=dict)
    answers: Mapping[str, JsonValue] = field(default_factory=dict)
    status: str = "completed"
    value: JsonObject = field(default_factory=dict)
    message: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Path], None] = lambda _folder: None

    def load(self) -> Loaded:
        return load_file(EXAMPLES / self.file, cwd="/")


def settings(folder: Path, *, path: str | None = None) -> Settings:
    """Return the settings of a process in a folder; its state lies beside what the run sees as its own."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("CPF_", "GIT_"))}
    environment = {name: text for name, text in environment.items() if not name.lower().endswith("_proxy")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "NOTICES_TOKEN": TOKEN}
    if path is not None:
        environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}"
    cwd = folder / "cwd"
    cwd.mkdir(exist_ok=True)
    return Settings(
        home=folder / "home", cwd=str(cwd), actor="ann", host="here", durability="process", environment=environment
    )


def go_on(client: Client, view: RunView, answers: Mapping[str, JsonValue]) -> RunView:
    """Answer whatever a run asks, until it has settled."""
    for _ in range(MOVES):
        if view.status in ("completed", "failed", "cancelled"):
            return view
        view = move(client, view, answers)
    raise AssertionError(f"after {MOVES} moves the run is {view.status}: {view.waits}")


def move(client: Client, view: RunView, answers: Mapping[str, JsonValue]) -> RunView:
    """Answer one wait of a run, or drive it if nothing is asked."""
    for wait in view.waits:
        if wait.kind == "in_doubt":
            return client.decide(view.run_id, wait.step_key, "again", reason="it was not done")
        if wait.kind == "external_event" and not wait.is_answered:
            answer = answers[wait.step_key]
            return client.resume(view.run_id, wait=wait.wait_id, payload=answer, has_payload=True).run
    return client.resume(view.run_id).run


def git(folder: Path, *arguments: str, **more: str) -> str:
    """Run git as somebody without a configuration, always at the same instant."""
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_DATE": "2030-01-01T00:00:00Z",
        "GIT_COMMITTER_DATE": "2030-01-01T00:00:00Z",
        **{f"GIT_{who}_{what}": "ann@x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], env=environment, check=True, capture_output=True, text=True, **more
    )
    return done.stdout


def commit(folder: Path, *subjects: str) -> None:
    for subject in subjects:
        git(folder, "commit", "--quiet", "--allow-empty", "--allow-empty-message", f"--message={subject}")


def repository(folder: Path, *subjects: str) -> None:
    """Make a repository whose history has these subjects, the oldest first."""
    folder.mkdir(exist_ok=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, *subjects)


def hashes(folder: Path) -> list[str]:
    """Return the short names of the commits, the oldest first."""
    return git(folder, "log", "--reverse", "--format=%h").split()


def changed_folders(folder: Path) -> None:
    """Make a repository in which two folders and one file have changed since the tag `v1`."""
    repository(folder)
    for name in ("src/a", "ünï cödé/b"):
        (folder / name).parent.mkdir()
        (folder / name).write_text("1\n")
    (folder / "still").mkdir()
    (folder / "still" / "c").write_text("1\n")
    git(folder, "add", "--all")
    commit(folder, "first")
    git(folder, "tag", "v1")
    (folder / "src" / "a").write_text("2\n")
    (folder / "ünï cödé" / "b").write_text("2\n")
    (folder / "top").write_text("2\n")
    git(folder, "add", "--all")
    commit(folder, "second")


APPROVE: JsonValue = {"decision": "approve"}
REJECT: JsonValue = {"decision": "reject"}
_FOLDERS = [".", "src", "ünï cödé"]
_SIGNATURE = "65beac4f6cf4e213"
_PAGE: JsonObject = {"page_url": "https://example.com/home"}
_STAGED: JsonObject = {"status": "deployed", "replicas": 1}
_SHOP: JsonObject = {"service": "shop", "folder": "shop", "big_kib": 3}
_TASK: JsonObject = {"file": "notes.txt", "task": "Greet the reader by name"}


def _greeting(folder: Path) -> None:
    (folder / "notes.txt").write_text("Dear reader,\nwelcome.\n")


def _patch(old: str, new: str) -> JsonObject:
    """Return an agent's answer: the line `old` of the greeting becomes `new`."""
    diff = f"--- a/notes.txt\n+++ b/notes.txt\n@@ -1,2 +1,2 @@\n-{old}\n+{new}\n welcome.\n"
    return {"title": f"Say {new}", "why": "It is friendlier.", "risk": "low", "patch": diff}


def _stuck_shop(folder: Path) -> None:
    """Make a folder with one big log, one small, a lock of yesterday's yesterday, and one of now."""
    (folder / "shop").mkdir()
    for name, size in (("a.log", 4096), ("b.log", 10), ("now.lock", 1), ("old.lock", 1)):
        (folder / "shop" / name).write_text("x" * size)
    os.utime(folder / "shop" / "old.lock", (0, 0))


def _locked_shop(folder: Path) -> None:
    _stuck_shop(folder)
    (folder / "shop" / "a.log").unlink()


def _decisions(*findings: str, decision: str) -> dict[str, JsonValue]:
    return {f'each["{finding}"]/decision': {"decision": decision} for finding in findings}


def _one_fix(folder: Path) -> None:
    repository(folder, "Fix it")


def _signing_key(folder: Path) -> None:
    (folder / "signing.key").write_text(f"{KEY}\n")


def _asks(**decisions: JsonValue) -> dict[str, JsonValue]:
    return {f'each["{name}"]/ask': decisions.get(name, APPROVE) for name in _FOLDERS}


def _signs(signed: bool) -> dict[str, JsonValue]:
    return {'checks["human"]/sign_off': {"signed": signed, "name": "Ann"}}


def _answered(*answers: str) -> dict[str, JsonValue]:
    keys = ["question", *(f"question#{number}" for number in range(2, 20))]
    return {key: {"answer": answer} for key, answer in zip(keys, answers, strict=False)}


SITE = LocalServer(poll_seconds=0.5)
"""The web service of the example; it remembers nothing, so that a request may come again."""
atexit.register(SITE.close)


def _as_json(value: JsonValue, status: int = 200) -> Reply:
    return Reply(status=status, body=json.dumps(value).encode(), headers={"Content-Type": "application/json"})


def _pages(seen: Seen) -> Reply:
    tag = seen.path.partition("?tag=")[2]
    return _as_json({"error": "no such tag"}, 404) if tag == "none" else _as_json({"pages": _PAGES})


def _report(seen: Seen) -> Reply:
    report = json.loads(seen.body)
    assert report["pages"] == [page["id"] for page in _PAGES]
    assert report["broken"] == [["/old"], []]
    refused = "closed" in report["title"]
    return Reply(status=409, body=b"closed for today") if refused else _as_json({"url": f"{SITE.url}/reports/7"}, 201)


_PAGES = [{"id": "home"}, {"id": "a/b c"}]
SITE.answers |= {
    "/pages": _pages,
    "/pages/home/links": _as_json({"broken": ["/old"]}),
    "/pages/a%2Fb%20c/links": _as_json({"broken": []}),
    "/reports": _report,
}

STORIES = [
    Story(
        name="notes written",
        file="release_notes.yaml",
        prepare=_one_fix,
        input={"output": "my notes.md"},
        answers={"review": {"decision": "revise", "comment": "Thanks to $(all)!"}, "review#2": APPROVE},
        value={"result": {"status": "written", "path": "my notes.md"}},
        files={"my notes.md": "# Release notes\n\n> Thanks to $(all)!\n\n## Fixed\n\n- Fix it (4928ba7)\n"},
    ),
    Story(
        name="notes rejected",
        file="release_notes.yaml",
        prepare=_one_fix,
        answers={"review": REJECT},
        value={"result": {"status": "rejected"}},
    ),
    Story(
        name="no new commits",
        file="release_notes.yaml",
        prepare=_one_fix,
        input={"since": "main"},
        value={"result": {"status": "nothing_new"}},
    ),
    Story(
        name="no repository",
        file="release_notes.yaml",
        input={"repository": "nowhere"},
        status="failed",
        message="the history of `nowhere` cannot be read: fatal: cannot change to 'nowhere': No such file or directory",
    ),
    Story(
        name="folders approved",
        file="folder_approvals.yaml",
        prepare=changed_folders,
        input={"base": "v1"},
        answers=_asks(),
        value={"result": {"status": "approved", "folders": list(_FOLDERS)}},
    ),
    Story(
        name="one folder held back",
        file="folder_approvals.yaml",
        prepare=changed_folders,
        input={"base": "v1"},
        answers=_asks(src=REJECT),
        value={"result": {"status": "held_back", "folders": ["src"]}},
    ),
    Story(
        name="no folder changed",
        file="folder_approvals.yaml",
        prepare=changed_folders,
        input={"base": "v1", "head": "v1"},
        value={"result": {"status": "unchanged"}},
    ),
    Story(
        name="signed",
        file="parallel_checks.yaml",
        input={"text": "short\nlines\n"},
        answers=_signs(True),
        value={"result": {"status": "passed", "signed_by": "Ann"}},
    ),
    Story(
        name="not signed",
        file="parallel_checks.yaml",
        input={"text": "short\nlines\n"},
        answers=_signs(False),
        value={"result": {"status": "unsigned", "asked": "Ann"}},
    ),
    Story(
        name="checks failed",
        file="parallel_checks.yaml",
        input={"text": "short\nlonger line \n", "longest": 8},
        answers=_signs(True),
        value={"result": {"status": "refused", "width": "failed", "blanks": "failed"}},
    ),
    Story(
        name="a notice published",
        file="team/notice.yaml",
        input={"name": "monday", "text": "Closed on Monday"},
        answers={"approval": {"decision": "approve", "by": "Ann"}},
        value={"result": {"status": "published", "by": "Ann", "words": 3}},
        files={"monday.txt": "Closed on Monday", "monday.by": "Ann"},
    ),
    Story(
        name="a notice held back",
        file="team/notice.yaml",
        input={"name": "monday", "text": "Closed on Monday"},
        answers={"approval": {"decision": "reject", "by": "Ann"}},
        value={"result": {"status": "held_back", "by": "Ann"}},
    ),
    Story(
        name="a notice returned",
        file="team/notice.yaml",
        input={"name": "monday", "text": "short\nlonger line \n", "longest": 8},
        value={"result": {"status": "returned", "width": "failed", "blanks": "failed"}},
    ),
    Story(
        name="deployed everywhere",
        file="sub_workflow.yaml",
        input={"version": "1.2.3"},
        answers={"production/confirm": {"go": True}},
        value={"result": {"staging": _STAGED, "production": {"status": "deployed", "replicas": 4}}},
    ),
    Story(
        name="production held back",
        file="sub_workflow.yaml",
        input={"version": "1.2.3"},
        answers={"production/confirm": {"go": False}},
        value={"result": {"staging": _STAGED, "production": {"status": "held_back"}}},
    ),
    Story(
        name="one stage alone",
        file="sub/deploy_stage.yaml",
        input={"version": "1", "stage": "staging", "replicas": 2},
        value={"result": {"status": "deployed", "replicas": 2}},
    ),
    Story(
        name="one stage held back",
        file="sub/deploy_stage.yaml",
        input={"version": "1", "stage": "production", "ask": True},
        answers={"confirm": {"go": False}},
        value={"result": {"status": "held_back"}},
    ),
    Story(name="uploaded", file="retry_on_error.yaml", value={"result": {"status": "uploaded"}}),
    Story(
        name="upload failed",
        file="retry_on_error.yaml",
        input={"works_at_attempt": 99},
        status="failed",
        message="the upload failed: step `upload` exited with code 75",
    ),
    Story(
        name="quiz passed",
        file="quiz.yaml",
        answers=_answered("change", "two", "one", "SIGTERM", "SIGHUP"),
        input={"pass_at": 3},
        value={"result": {"status": "passed", "points": 3}},
    ),
    Story(
        name="quiz failed",
        file="quiz.yaml",
        answers=_answered("change", "two", "one", "SIGTERM", "SIGHUP"),
        value={"result": {"status": "failed", "points": 3}},
    ),
    Story(
        name="notice published",
        file="secrets.yaml",
        prepare=_signing_key,
        input={"text": "Closed on Monday"},
        answers={"approval": APPROVE},
        value={"result": {"status": "published", "url": f"https://notices.example/{_SIGNATURE}"}},
        files={"notice.json": f'{{"text":"Closed on Monday","signature":"{_SIGNATURE}"}}'},
    ),
    Story(
        name="notice rejected",
        file="secrets.yaml",
        prepare=_signing_key,
        input={"text": "Closed on Monday"},
        answers={"approval": REJECT},
        value={"result": {"status": "rejected"}},
    ),
    Story(
        name="links reported",
        file="api_pipeline.yaml",
        input={"base_url": SITE.url, "tag": "docs"},
        value={"result": {"status": "reported", "url": f"{SITE.url}/reports/7"}},
    ),
    Story(
        name="tag unknown",
        file="api_pipeline.yaml",
        input={"base_url": SITE.url, "tag": "none"},
        value={"result": {"status": "unknown_tag"}},
    ),
    Story(
        name="report refused",
        file="api_pipeline.yaml",
        input={"base_url": SITE.url, "tag": "closed"},
        status="failed",
        message="the report was refused: closed for today",
    ),
    Story(
        name="page published",
        file="publish_page.yaml",
        input={"page_id": "home"},
        answers={"approval": APPROVE},
        value={"result": {"status": "published", **_PAGE}, "outputs": _PAGE},
    ),
    Story(
        name="page rejected",
        file="publish_page.yaml",
        input={"page_id": "home"},
        answers={"approval": {"decision": "reject", "comment": "no"}},
        value={"result": {"status": "rejected", "comment": "no"}, "outputs": {}},
    ),
    Story(
        name="patch applied at the second try",
        file="reviewed_patch.yaml",
        prepare=_greeting,
        input=_TASK,
        answers={
            "patch": _patch("Dear Reader,", "Dear Ann,"),
            "patch#2": _patch("Dear reader,", "Dear Ann,"),
            "review": {"decision": "apply"},
        },
        value={
            "result": {"status": "applied", "file": "notes.txt", "title": "Say Dear Ann,", "added": 1, "removed": 1}
        },
        files={"notes.txt": "Dear Ann,\nwelcome.\n"},
    ),
    Story(
        name="patch stopped",
        file="reviewed_patch.yaml",
        prepare=_greeting,
        input=_TASK,
        answers={"patch": _patch("Dear reader,", "Dear Ann,"), "review": {"decision": "stop", "comment": "no need"}},
        value={"result": {"status": "stopped", "comment": "no need"}},
        files={"notes.txt": "Dear reader,\nwelcome.\n"},
    ),
    Story(
        name="nothing to patch",
        file="reviewed_patch.yaml",
        input=_TASK,
        status="failed",
        message="`notes.txt` cannot be read: cat: notes.txt: No such file or directory",
    ),
    Story(
        name="incident mended",
        file="incident.yaml",
        prepare=_stuck_shop,
        input=_SHOP,
        answers=_decisions("big log a.log", "old lock old.lock", decision="mend"),
        value={"result": {"status": "mended", "report": "incident.json", "findings": 2}},
    ),
    Story(
        name="incident left open",
        file="incident.yaml",
        prepare=_locked_shop,
        input=_SHOP,
        answers=_decisions("old lock old.lock", decision="leave"),
        value={"result": {"status": "attention", "report": "incident.json", "errors": []}},
    ),
    Story(
        name="no incident",
        file="incident.yaml",
        prepare=lambda folder: (folder / "shop").mkdir(),
        input=_SHOP,
        value={"result": {"status": "quiet"}},
    ),
    Story(
        name="incident unseen",
        file="incident.yaml",
        input=_SHOP,
        status="failed",
        message='`shop` cannot be looked at: step `checks["big_logs"]/big_logs` exited with code 66',
    ),
]
