"""The workflow of GitHub Actions runs what can be run at home: recipes of the justfile, through scripts of ours."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())


def steps() -> list[dict]:
    return [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]


def systems(job: dict) -> set[str]:
    matrix = job["strategy"]["matrix"]
    return {one.split("-")[0] for one in [*matrix.get("os", []), *(row["os"] for row in matrix.get("include", []))]}


def test_the_wheel_is_tried_on_three_systems_and_all_checks_run_on_those_with_every_promise() -> None:
    assert systems(WORKFLOW["jobs"]["wheel"]) == {"ubuntu", "macos", "windows"}
    assert systems(WORKFLOW["jobs"]["checks"]) == {"ubuntu", "macos"}


def test_every_check_is_a_recipe_of_the_justfile() -> None:
    recipes = set(re.findall(r"^([a-z]+)(?: [^:\n]*)?:(?!=)", (ROOT / "justfile").read_text(), re.MULTILINE))
    run = [step["run"] for step in steps() if "run" in step and "name" not in step]
    asked = [words.split()[2:] for words in run]
    assert all(words.startswith("sh scripts/test") for words in run)
    assert sorted(asked) == [[], ["smoke"]]
    assert {recipe for words in asked for recipe in words} <= recipes


def test_what_others_made_is_used_in_a_version_that_is_named() -> None:
    uses = [step["uses"] for step in steps() if "uses" in step]
    assert uses
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", one) for one in uses)
