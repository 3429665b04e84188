"""The journal's codec: what is written is read again; what cannot be read is said so."""

from dataclasses import fields
from datetime import datetime, timedelta

import pytest

from checkpointflow.clock import UTC
from checkpointflow.errors import StoreCorrupt, StoreVersion
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import EventId, StepKey, WaitId
from checkpointflow.values import fingerprint_text, load

AT = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
KEY, WAIT = StepKey("a/b"), WaitId("w1")
VALUE = {"text": "ü\u2028\n", "list": [1, 2.5, None, True, {}], "nested": {"a": {"b": []}}}

ONE_OF_EACH = [
    e.RunStarted(
        at=AT, workflow_id="w", workflow_name=None, workflow_version="1", definition="d" * 64, source_path="/f",
        input=VALUE, labels={"team": "x"}, actor="ann", cwd="/", host="h", origin={"run": "run-0", "position": 7},
    ),
    e.DefinitionChanged(
        at=AT, definition="e" * 64, source_path="/g", workflow_name="W", workflow_version="2", voided=["a"],
        actor="ann", reason="mended",
    ),
    e.RunParked(at=AT, elapsed_seconds=1.5, failed_members=[VALUE]),
    e.RunPaused(at=AT, actor=None),
    e.RunResumed(at=AT, actor="ann"),
    e.RunMoved(at=AT, actor="ann"),
    e.RunReopened(at=AT, voided=["a", "b"], actor=None, reason="again"),
    e.RunCompleted(at=AT, value=VALUE),
    e.RunFailed(at=AT, error=VALUE),
    e.RunCancelled(at=AT, actor=None, reason=None),
    e.StepStarted(at=AT, key=KEY, kind="cli", attempt=2, digest="d", arguments=VALUE, effect="once"),
    e.StepCompleted(at=AT, key=KEY, attempt=2, output=VALUE, details={"exit_code": 0}),
    e.StepFailed(at=AT, key=KEY, attempt=2, error=VALUE, retry_at=AT + timedelta(seconds=1)),
    e.StepInterrupted(at=AT, key=KEY, attempt=2, cause="holder_died", in_doubt=True),
    e.StepDecided(at=AT, key=KEY, decision="done", output=VALUE, actor="ann", reason="seen"),
    e.StepSkipped(at=AT, key=KEY, reason="why"),
    e.ScopeOpened(at=AT, key=KEY, kind="parallel", digest="d", members=3),
    e.ScopeClosed(at=AT, key=KEY, outcome="failed", error=VALUE, failed_members=[VALUE]),
    e.WaitOpened(at=AT, key=KEY, wait_id=WAIT, request=VALUE, deadline_at=None),
    e.WaitClosed(at=AT, key=KEY, wait_id=WAIT, cause="expired"),
    e.EventReceived(at=AT, key=KEY, wait_id=WAIT, event_id=EventId("e"), payload=VALUE, actor=None),
    e.TimerSet(at=AT, key=KEY, wait_id=WAIT, due_at=AT),
    e.TimerFired(at=AT, key=KEY, wait_id=WAIT),
    e.ValueRecorded(at=AT, key=KEY, kind="set", value=VALUE),
]  # fmt: skip


def read(encoded):
    return e.decode(encoded.name, encoded.at, encoded.body, encoded.blobs.__getitem__)


def test_there_is_a_sample_of_every_entry():
    assert [type(entry) for entry in ONE_OF_EACH] == list(e.ENTRY_CLASSES)


@pytest.mark.parametrize("entry", ONE_OF_EACH, ids=e.name_of)
def test_what_is_written_is_read_again(entry):
    encoded = e.encode(entry)
    assert encoded.name == e.name_of(entry)
    assert encoded.blobs == {}
    assert isinstance(load(encoded.body), dict)
    assert read(encoded) == entry


@pytest.mark.parametrize("entry", ONE_OF_EACH, ids=e.name_of)
def test_an_entry_is_shown_with_its_position_and_name(entry):
    shown = e.as_json(entry, 7)
    assert list(shown)[:3] == ["position", "entry", "at"]
    assert (shown["position"], shown["entry"], shown["at"]) == (7, e.name_of(entry), "2030-01-02T03:04:05.678901Z")
    assert set(shown) == {"position", "entry"} | {field.name for field in fields(entry)}


def test_failed_members_are_written_and_shown_only_where_there_are_some():
    for entry in (
        e.RunParked(at=AT, elapsed_seconds=1.5),
        e.ScopeClosed(at=AT, key=KEY, outcome="completed", error=None),
    ):
        assert "failed_members" not in e.encode(entry).body
        assert "failed_members" not in e.as_json(entry, 1)
        assert read(e.encode(entry)) == entry


def test_instants_are_shown_as_text():
    assert e.as_json(ONE_OF_EACH[12], 1)["retry_at"] == "2030-01-02T03:04:06.678901Z"


def completed(output):
    return e.StepCompleted(at=AT, key=KEY, attempt=1, output=output, details={})


def test_values_over_64_kib_are_kept_beside_the_journal_by_their_digest():
    entry = completed("x" * e.BLOB_BYTES)
    encoded = e.encode(entry)
    text = '"' + "x" * e.BLOB_BYTES + '"'
    assert encoded.blobs == {fingerprint_text(text): text}
    assert len(encoded.body) < 200
    assert read(encoded) == entry


def test_values_of_64_kib_are_kept_inline():
    entry = completed("x" * (e.BLOB_BYTES - 2))
    encoded = e.encode(entry)
    assert encoded.blobs == {}
    assert read(encoded) == entry


@pytest.mark.parametrize(("count", "is_blob"), [(e.BLOB_BYTES // 4, True), (e.BLOB_BYTES // 4 - 1, False)])
def test_the_size_of_a_value_is_counted_in_bytes(count, is_blob):
    entry = completed("\U0001f600" * count)
    encoded = e.encode(entry)
    assert bool(encoded.blobs) == is_blob
    assert read(encoded) == entry


def test_several_large_values_of_an_entry_are_all_kept_beside_it():
    large = {"request": {"prompt": "x" * 70_000}}
    entry = e.WaitOpened(at=AT, key=KEY, wait_id=WAIT, request=large, deadline_at=AT)
    assert read(e.encode(entry)) == entry
    assert list(load(e.encode(entry).body)["$blobs"]) == ["request"]


def test_a_value_may_use_the_words_of_the_codec():
    entry = completed({"$blobs": {"output": "no digest"}})
    assert read(e.encode(entry)) == entry


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}], ids=["nan", "inf", "object", "set"])
def test_what_is_no_json_is_not_written(value):
    with pytest.raises((ValueError, TypeError)):
        e.encode(completed(value))


def test_an_unknown_entry_asks_for_an_upgrade():
    with pytest.raises(StoreVersion, match=r"`step_dreamt`.*upgrade"):
        e.decode("step_dreamt", "2030-01-01T00:00:00Z", "{}", str)


GOOD = '"key":"s","attempt":1,"details":{},"output":1'
DAMAGED = {
    "no JSON": "{" + GOOD,
    "no object": "[1]",
    "nothing": "",
    "a field too few": '{"key":"s","attempt":1,"details":{}}',
    "a field too many": "{" + GOOD + ',"other":1}',
    "blobs that are none": "{" + GOOD + ',"$blobs":[1]}',
    "a blob that is not there": '{"key":"s","attempt":1,"details":{},"$blobs":{"output":"gone"}}',
    "a number that is none": "{" + GOOD.replace("1,", "NaN,") + "}",
    "too deep": "[" * 200_000,
}


@pytest.mark.parametrize("body", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_body_is_said_to_be_one(body):
    with pytest.raises(StoreCorrupt, match="`step_completed`"):
        e.decode("step_completed", "2030-01-01T00:00:00Z", body, {}.__getitem__)


def test_the_undamaged_body_can_be_read():
    entry = e.decode("step_completed", "2030-01-01T00:00:00Z", "{" + GOOD + "}", {}.__getitem__)
    assert isinstance(entry, e.StepCompleted)


@pytest.mark.parametrize("at", ["", "yesterday", "2030-13-01T00:00:00Z"])
def test_a_damaged_instant_is_said_to_be_one(at):
    with pytest.raises(StoreCorrupt):
        e.decode("step_completed", at, "{" + GOOD + "}", {}.__getitem__)


@pytest.mark.parametrize("due", ["17", '"soon"', "null"])
def test_a_damaged_instant_inside_is_said_to_be_one(due):
    body = f'{{"key":"s","wait_id":"w1","due_at":{due}}}'
    if due == "null":
        assert e.decode("timer_set", "2030-01-01T00:00:00Z", body, str).due_at is None
        return
    with pytest.raises(StoreCorrupt):
        e.decode("timer_set", "2030-01-01T00:00:00Z", body, str)
