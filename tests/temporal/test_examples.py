"""Every example runs on Temporal as on the embedded engine: the same end, the same files, the same step keys."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from checkpointflow.client import Client
from checkpointflow.views import Inspection
from examples.stories import STORIES, Story, go_on, settings
from temporal.service import Service


def _keys(found: Inspection) -> list[str]:
    return sorted({str(entry["key"]) for entry in found.entries if "key" in entry})


def _left(story: Story, folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (folder / "cwd").iterdir() if path.name in story.files}


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_an_example_is_the_same_on_temporal(story: Story, tmp_path: Path, service: Service) -> None:
    place = settings(tmp_path)
    story.prepare(tmp_path / "cwd")
    with service.served(place), service.client(place) as client:
        view = go_on(client, client.run(story.load(), story.input), story.answers)
        assert (view.status, view.value, view.warnings) == (story.status, story.value, ())
        assert (view.error or {}).get("message") == story.message
        keys = _keys(client.inspect(view.run_id))
    assert _left(story, tmp_path) == story.files
    shutil.rmtree(tmp_path / "cwd")
    here = settings(tmp_path)
    story.prepare(tmp_path / "cwd")
    with Client(here) as embedded:
        view = go_on(embedded, embedded.run(story.load(), story.input), story.answers)
        assert _keys(embedded.inspect(view.run_id)) == keys
