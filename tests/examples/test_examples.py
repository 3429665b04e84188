"""Every example runs to each of its ends."""

import pytest

from checkpointflow.client import Client
from checkpointflow.frontends.document.loader import load_file
from checkpointflow.testing.beside import is_case_file
from examples.stories import EXAMPLES, STORIES, UNPINNED, go_on, settings

FILES = sorted(str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*.yaml") if not is_case_file(path))


def test_every_example_has_a_story():
    assert {story.file for story in STORIES} == set(FILES)


@pytest.mark.parametrize("file", FILES)
def test_an_example_has_no_problems(file):
    problems = load_file(EXAMPLES / file, cwd="/").problems
    assert [problem for problem in problems if UNPINNED not in problem["message"]] == []


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_an_example_ends_as_it_says(story, tmp_path):
    place = settings(tmp_path)
    story.prepare(tmp_path / "cwd")
    with Client(place) as client:
        view = go_on(client, client.run(story.load(), story.input), story.answers)
        assert (view.status, view.value, view.warnings) == (story.status, story.value, ())
        assert (view.error or {}).get("message") == story.message
    left = {path.name: path.read_text() for path in (tmp_path / "cwd").iterdir() if path.name in story.files}
    assert left == story.files


@pytest.mark.parametrize("file", FILES)
def test_every_end_of_an_example_is_in_a_story(file, tmp_path):
    ends = {step.id for step in load_file(EXAMPLES / file, cwd="/").document.steps if step.kind == "end"}
    reached = set()
    for number, story in enumerate(story for story in STORIES if story.file == file):
        (tmp_path / str(number)).mkdir()
        place = settings(tmp_path / str(number))
        story.prepare(tmp_path / str(number) / "cwd")
        with Client(place) as client:
            view = go_on(client, client.run(story.load(), story.input), story.answers)
            reached |= {step.step_key for step in client.inspect(view.run_id).step_results}
            reached.add((view.error or {}).get("step_key"))
    assert ends <= reached
