"""The README's main job on real histories: nasty subjects, none, thousands, and this repository's own."""

from pathlib import Path

import pytest

from checkpointflow.client import Client
from checkpointflow.errors import EventPayloadError, InputError
from checkpointflow.frontends.document.loader import load_file
from examples.stories import APPROVE, EXAMPLES, commit, git, go_on, hashes, repository, settings

NASTY = [
    "feat: add \"double\" and 'single' quotes",
    "feat(api)!: `backticks` $(touch pwned) ${HOME} $HOME; rm -rf *",
    "fix(ünï): 日本語 🎉 \u202e",
    "-n --leading -- dashes",
    "docs: a\\tb %s %d %n \\ & <b> |",
    "Fix the\ttab",
    "kernel: one",
    "kernel: two & \\& three",
    "lonely: topic",
    "feature/branches: are no verbs",
    "x" * 300,
    "",
    "$${literal} ${inputs.count}",
    "Update: not a prefix we know, but a verb",
    "'; awk 'BEGIN { exit 1 }",
    "Two words: of a topic",
    "Two words: shared",
    "Fix two words: by its verb",
]


@pytest.fixture
def place(tmp_path):
    return settings(tmp_path)


@pytest.fixture
def cwd(place):
    return Path(place.cwd)


@pytest.fixture
def client(place):
    with Client(place) as opened:
        yield opened


@pytest.fixture
def notes():
    return load_file(EXAMPLES / "release_notes.yaml", cwd="/")


def failure(view):
    assert (view.status, view.exit_code) == ("failed", 30)
    return view.error["message"]


def test_subjects_of_all_sorts_arrive_as_they_are(client, notes, cwd):
    repository(cwd, *NASTY)
    short = dict(zip(NASTY, hashes(cwd), strict=True))
    view = client.run(notes, {})
    prompt = view.waits[0].prompt
    assert client.resume(view.run_id, event="review", payload=APPROVE, has_payload=True).run.status == "completed"
    expected = [
        ("Breaking changes", [NASTY[1]]),
        ("New", [NASTY[0]]),
        ("Changed", [NASTY[13]]),
        ("Fixed", [NASTY[17], NASTY[5], NASTY[2]]),
        ("Documentation", [NASTY[4]]),
        ("Two words", [NASTY[16], NASTY[15]]),
        ("kernel", [NASTY[7], NASTY[6]]),
        ("Other", [NASTY[14], NASTY[12], NASTY[11], NASTY[10], NASTY[9], NASTY[8], NASTY[3]]),
    ]
    shown = {NASTY[5]: "Fix the tab", NASTY[10]: "x" * 158 + "..", NASTY[11]: "(no subject)"}
    text = "# Release notes\n"
    for section, subjects in expected:
        text += f"\n## {section}\n\n" + "".join(f"- {shown.get(one, one)} ({short[one]})\n" for one in subjects)
    assert (cwd / "RELEASE_NOTES.md").read_text() == text
    assert prompt.startswith(text)
    assert not (cwd / "pwned").exists()


def test_only_what_came_after_the_given_commit_is_told_and_no_more_than_asked(client, notes, cwd):
    elsewhere = cwd / "another folder"
    repository(elsewhere, "Fix a", "Fix b", "Fix c", "Fix d")
    options = {"repository": "another folder", "since": "HEAD~3", "count": 2, "title": "v2: $(x)"}
    view = client.run(notes, options)
    first = hashes(elsewhere)
    assert f"\n- Fix d ({first[3]})\n- Fix c ({first[2]})\n\n" in view.waits[0].prompt
    assert view.waits[0].prompt.startswith("# v2: $(x)\n")
    assert "Fix b" not in view.waits[0].prompt


def test_each_comment_of_a_revision_stands_in_the_next_draft(client, notes, cwd):
    repository(cwd, "Fix it")
    view = client.run(notes, {"output": "a b/notes $(x).md"})
    (cwd / "a b").mkdir()
    for comment in ("first `one`", "second\nof two lines"):
        answer = {"decision": "revise", "comment": comment}
        view = client.resume(view.run_id, event="review", payload=answer, has_payload=True).run
        assert f"\n> {comment}\n" in view.waits[0].prompt
    view = go_on(client, view, {"review#3": APPROVE})
    assert view.value == {"result": {"status": "written", "path": "a b/notes $(x).md"}}
    text = (cwd / "a b" / "notes $(x).md").read_text()
    assert text.startswith("# Release notes\n\n> first `one`\n\n> second\nof two lines\n\n## Fixed\n")


def test_a_revision_without_a_comment_is_refused_and_the_draft_still_waits(client, notes, cwd):
    repository(cwd, "Fix it")
    view = client.run(notes, {})
    for answer in ({"decision": "revise"}, {"decision": "maybe"}, {}):
        with pytest.raises(EventPayloadError):
            client.resume(view.run_id, event="review", payload=answer, has_payload=True)
    assert client.get(view.run_id).waits == view.waits


def test_a_folder_that_is_no_repository_fails_with_what_git_says(client, notes, cwd):
    git_says = "fatal: not a git repository (or any"  # the rest depends on where the file system begins
    assert failure(client.run(notes, {})).startswith(f"the history of `.` cannot be read: {git_says}")
    odd = "-C; $(touch pwned)"
    says = f"fatal: cannot change to '{odd}': No such file or directory"
    assert failure(client.run(notes, {"repository": odd})) == f"the history of `{odd}` cannot be read: {says}"


def test_a_repository_without_commits_fails_with_what_git_says(client, notes, cwd):
    repository(cwd)
    git_says = "fatal: your current branch 'main' does not have any commits yet"
    assert failure(client.run(notes, {})) == f"the history of `.` cannot be read: {git_says}"


def test_an_unknown_tag_fails_with_what_git_says(client, notes, cwd):
    repository(cwd, "Fix it")
    assert failure(client.run(notes, {"since": "v9"})).endswith("cannot be read: fatal: bad revision 'v9..HEAD'")
    with pytest.raises(InputError):
        client.run(notes, {"since": "--output=pwned"})


def test_a_file_that_cannot_be_written_fails_the_run_and_a_retry_writes_it(client, notes, cwd):
    repository(cwd, "Fix it")
    view = go_on(client, client.run(notes, {"output": "missing/notes.md"}), {"review": APPROVE})
    assert failure(view) == "step `write` exited with code 2"
    (cwd / "missing").mkdir()
    assert client.retry(view.run_id).status == "completed"
    assert (cwd / "missing" / "notes.md").read_text().startswith("# Release notes\n")


def test_thousands_of_commits_give_whole_notes_and_a_short_draft(client, notes, cwd):
    repository(cwd)
    stream = "".join(
        f"commit refs/heads/main\ncommitter a <a@x> {number} +0000\ndata <<END\nFix number {number}\nEND\n\n"
        for number in range(5000)
    )
    git(cwd, "fast-import", "--quiet", input=stream)
    view = client.run(notes, {"count": 10_000})
    assert len(view.waits[0].prompt) < 5000
    assert "… and 4943 more lines" in view.waits[0].prompt
    assert go_on(client, view, {"review": APPROVE}).status == "completed"
    told = [line for line in (cwd / "RELEASE_NOTES.md").read_text().splitlines() if line.startswith("- Fix number ")]
    assert len(told) == 5000


def test_merges_are_left_out(client, notes, cwd):
    repository(cwd, "Fix it")
    git(cwd, "checkout", "--quiet", "-b", "side")
    commit(cwd, "Add more")
    git(cwd, "checkout", "--quiet", "main")
    git(cwd, "merge", "--quiet", "--no-ff", "--message=Merge side", "side")
    assert "Merge side" not in client.run(notes, {}).waits[0].prompt


@pytest.mark.skipif(not (EXAMPLES.parent / ".git").exists(), reason="this is no git checkout")
def test_it_tells_the_history_of_this_repository(client, notes, cwd):
    root = EXAMPLES.parent
    known = git(root, "log", "--no-merges", "--format=%h").split()
    view = go_on(client, client.run(notes, {"repository": str(root), "count": 10_000}), {"review": APPROVE})
    assert view.value == {"result": {"status": "written", "path": "RELEASE_NOTES.md"}}
    told = [line for line in (cwd / "RELEASE_NOTES.md").read_text().splitlines() if line.startswith("- ")]
    assert sorted(line.rpartition("(")[2].rstrip(")") for line in told) == sorted(known)
