"""The files of an attempt: readable names that no key can misuse."""

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.steps.base import output_paths

RUNS = Path("/state/runs")
RUN = RunId("01JZXY")


def name(key: str, attempt: int = 1) -> str:
    return output_paths(RUNS, RUN, StepKey(key), attempt)[0].name


def test_the_files_of_an_attempt_are_in_the_folders_of_their_run():
    stdout, stderr = output_paths(RUNS, RUN, StepKey("build"), 2)
    assert stdout == RUNS / "01JZXY" / "stdout" / "build.2.txt"
    assert stderr == RUNS / "01JZXY" / "stderr" / "build.2.txt"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("deploy[2]/apply", "deploy[2]+apply.1.txt"),
        ("draft#2", "draft#2.1.txt"),
        ('fan["eu"]/s', "fan[%22eu%22]+s.1.txt"),
        ("a%2Fb", None),
        ("grün", "gr%C3%BCn.1.txt"),
    ],
)
def test_names_stay_readable(key, expected):
    if expected is None:
        assert name(key).startswith("a%252Fb~")
    else:
        assert name(key) == expected


@pytest.mark.parametrize("key", ["..", "../..", "/etc/passwd", "a/../../b", ".", "\\\\host\\x", "C:\\x", "a\0b"])
def test_no_key_leads_out_of_the_folder(key):
    for path in output_paths(RUNS, RUN, StepKey(key), 1):
        assert path.parent.parent == RUNS / RUN
        assert path.name not in {".", ".."}
        assert not set(path.name) & set('/\\:\0*?"<>|')


@pytest.mark.parametrize("key", ["nul", "CON", "aux.log", "com1", "Lpt9", "prn"])
def test_names_that_windows_keeps_for_itself_are_not_used(key):
    assert name(key)[0] == "%"


def test_keys_that_differ_in_case_only_have_files_that_differ_in_more():
    assert len({name(key).lower() for key in ("deploy", "Deploy", "DEPLOY")}) == 3


def test_long_keys_are_cut_and_stay_apart():
    names = {name("step/" * 200 + tail) for tail in ("a", "b")}
    assert len(names) == 2
    assert all(len(one.encode()) <= 160 for one in names)


def test_a_dot_and_a_number_in_a_key_are_not_another_attempt():
    assert name("a.1", 1) != name("a", 1)
    assert {name("a.1", 1), name("a", 11), name("a.1.1", 1)} == {"a.1.1.txt", "a.11.txt", "a.1.1.1.txt"}


keys = st.text(st.sampled_from(string.ascii_letters + './\\%#[]"~+é \ud800'), min_size=1, max_size=300)


@given(keys, keys)
def test_two_keys_never_share_a_file_whatever_the_disk_makes_of_case(one, other):
    if one != other:
        assert name(one).lower() != name(other).lower()


@given(keys)
def test_every_name_is_short_and_plain(key):
    assert set(name(key)) <= set(string.ascii_letters + string.digits + ".%#[]~+-_")
    assert len(name(key)) <= 160
    assert name(key)[0] not in ".-"
