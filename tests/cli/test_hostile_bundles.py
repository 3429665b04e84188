"""Bundles that somebody changed, cut or made up: each is refused in one sentence, and nothing is written."""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import IO, Any, cast

import pytest

from checkpointflow.client import Client
from checkpointflow.client.bundles import layout
from checkpointflow.config import load_settings
from cli.program import Program
from cli.test_bundles import LONG


def state_of(home: Path) -> set[str]:
    """What lies in a state folder, but for what every command that opens it makes."""
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file() and "runs.db" not in path.name}


def files_of(bundle: Path) -> dict[str, bytes]:
    with tarfile.open(bundle) as archive:
        return {one.name: cast("IO[bytes]", archive.extractfile(one)).read() for one in archive}


def rewritten(files: dict[str, bytes], *, sealed: bool) -> bytes:
    """Return a bundle with these files; a sealed one has digests and a chain that fit them."""
    if sealed:
        lines = files["journal.jsonl"].split(b"\n")[:-1]
        files["chain.txt"] = b"".join(value + b"\n" for value in layout.chain(lines))
        manifest = json.loads(files["manifest.json"])
        manifest["chain"] = layout.last_value(files["chain.txt"])
        others = {
            name: layout.digested(data) for name, data in files.items() if name not in ("manifest.json", "SHA256SUMS")
        }
        manifest["files"] = {name: {"sha256": one.sha256, "bytes": one.size} for name, one in others.items()}
        files["manifest.json"] = json.dumps(manifest).encode() + b"\n"
        files["SHA256SUMS"] = layout.sums(others | {"manifest.json": layout.digested(files["manifest.json"])})
    return b"".join(member(plain(name), data) for name, data in files.items()) + bytes(1024)


def plain(name: str) -> tarfile.TarInfo:
    """Return how a bundle holds a file of this name."""
    info = tarfile.TarInfo(name)
    info.mode = 0o600
    return info


def member(info: tarfile.TarInfo, data: bytes, form: int = tarfile.USTAR_FORMAT) -> bytes:
    """Return a file as it stands in an archive."""
    info.size = len(data) if info.isreg() else 0
    return info.tobuf(form) + data + bytes(-len(data) % 512)


def add(bundle: Path, *members: bytes) -> None:
    """Put files behind those that a bundle has."""
    bundle.write_bytes(bundle.read_bytes()[:-1024] + b"".join(members) + bytes(1024))


@pytest.fixture
def refused(there: Program, at: Callable[..., dict]) -> Callable[[Path], str]:
    """Verify and import a file, which both refuse in one sentence; nothing is written."""

    def look(path: Path) -> str:
        at(there, "runs")
        before = state_of(there.home)
        answers = [
            at(there, "verify", str(path)),
            at(there, "import", str(path), "--copy"),
            at(there, "import", str(path)),
        ]
        for answer in answers:
            assert (answer["exit_code"], answer["error"]["code"]) == (10, "ERR_BUNDLE"), answer
        assert at(there, "runs")["runs"] == []
        assert state_of(there.home) == before
        assert "\n" not in answers[0]["error"]["message"]
        return str(answers[0]["error"]["message"])

    return look


CHANGES: dict[str, Callable[[dict[str, bytes]], dict[str, bytes]]] = {
    "an entry": lambda f: f | {"journal.jsonl": f["journal.jsonl"].replace(b"one", b"two")},
    "the last entry": lambda f: f | {"journal.jsonl": b"\n".join(f["journal.jsonl"].split(b"\n")[:-2]) + b"\n"},
    "the chain": lambda f: f | {"chain.txt": f["chain.txt"].replace(b"a", b"b")},
    "the definition": lambda f: f | {"definition.json": f["definition.json"].replace(b"echo one", b"echo bad")},
    "the manifest": lambda f: f | {"manifest.json": f["manifest.json"].replace(b'"moved":true', b'"moved":false')},
    "the wait": lambda f: f | {"manifest.json": f["manifest.json"].replace(b'"user"', b'"agent"')},
    "output": lambda f: f | {"stdout/first.1.txt": b"three\n"},
    "a message": lambda f: f | {"messages.jsonl": b'{"event_id":"e"}\n'},
    "the sums": lambda f: f | {"SHA256SUMS": b""},
    **{f"no {name}": lambda f, name=name: {k: v for k, v in f.items() if k != name} for name in (  # type: ignore[misc]
        "README.txt", "manifest.json", "SHA256SUMS", "journal.jsonl", "chain.txt", "messages.jsonl", "definition.json",
        "stdout/first.1.txt",
    )},
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_bundle_is_refused(gate: Path, refused: Callable[[Path], str], what: str) -> None:
    before = files_of(gate)
    files = CHANGES[what](dict(before))
    assert files != before
    gate.write_bytes(rewritten(files, sealed=False))
    assert "again" in refused(gate) or "none of ours" in refused(gate)


def line(files: dict[str, bytes], number: int, **body: object) -> dict[str, bytes]:
    """Change the body of a line of the journal."""
    lines = files["journal.jsonl"].split(b"\n")
    told = json.loads(lines[number])
    told["body"] |= body
    lines[number] = json.dumps(told, separators=(",", ":")).encode()
    return files | {"journal.jsonl": b"\n".join(lines)}


def message(**fields: object) -> bytes:
    told = {"event_id": "e", "kind": "event", "name": "n", "wait_id": None, "payload": None, "actor": None}
    return json.dumps(told | {"at": "2030-01-01T00:00:00.000000Z", "state": "kept"} | fields).encode() + b"\n"


SEALED: dict[str, Callable[[dict[str, bytes]], dict[str, bytes]]] = {
    "a newer version": lambda f: f | {"manifest.json": f["manifest.json"].replace(b'"version":1,', b'"version":2,')},
    "another format": lambda f: f | {"manifest.json": f["manifest.json"].replace(b"run-bundle", b"other")},
    "an unknown entry": lambda f: f | {"journal.jsonl": f["journal.jsonl"].replace(b"step_started", b"step_dreamt")},
    "an entry that does not follow": lambda f: line(f, 2, key="nowhere"),
    "an entry of other types": lambda f: line(f, 1, attempt="one"),
    "a number for a text": lambda f: line(f, 0, workflow_id=7),
    "a missing blob": lambda f: line(f, 2, **{"$blobs": {"output": "0" * 64}}),
    "another run's definition": lambda f: line(f, 0, definition="0" * 64),
    "an id that is a path": lambda f: f | {"manifest.json": f["manifest.json"].replace(b'"gate-1"', b'"../../x"')},
    "a file that leads out": lambda f: f | {"stdout/../../x": b"x"},
    "an absolute file": lambda f: f | {"/etc/x": b"x"},
    "a file of another system": lambda f: f | {"stdout/..\\x": b"x"},
    "a file of no attempt": lambda f: f | {"stdout/other.1.txt": b"x"},
    "a file of no entry": lambda f: f | {"blobs/" + hashlib.sha256(b"1").hexdigest(): b"1"},
    "a hidden file": lambda f: f | {"stdout/.first.1.txt": b"x"},
    "an odd message": lambda f: f | {"messages.jsonl": message(kind="order")},
    "a message twice": lambda f: f | {"messages.jsonl": message() * 2},
    "a message at no time": lambda f: f | {"messages.jsonl": message(at="noon")},
    "deep JSON": lambda f: f | {"messages.jsonl": b"[" * 100_000 + b"\n"},
    "no journal": lambda f: f | {"journal.jsonl": b""},
    "a definition of no kind": lambda f: f | {"definition.json": b"{}"},
}  # fmt: skip


@pytest.mark.parametrize("what", SEALED)
def test_a_bundle_of_somebody_elses_making_is_refused(gate: Path, refused: Callable[[Path], str], what: str) -> None:
    before = files_of(gate)
    files = SEALED[what](dict(before))
    assert files != before
    gate.write_bytes(rewritten(files, sealed=bool(files["journal.jsonl"])))
    said = refused(gate)
    if what in ("a newer version", "an unknown entry"):
        assert "upgrade checkpointflow" in said


def test_a_resealed_bundle_is_taken_so_that_the_tests_above_refuse_what_they_name(
    gate: Path, there: Program, at: Callable[..., dict]
) -> None:
    gate.write_bytes(rewritten(files_of(gate) | {"messages.jsonl": message()}, sealed=True))
    assert at(there, "import", str(gate))["bundle"]["messages"] == 1


def places(value: object, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a value of JSON, the value itself first."""
    yield at
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*at, key))


def put(value: Any, at: tuple[str | int, ...], new: object) -> Any:
    """Return a value of JSON that is another at one place."""
    if not at:
        return new
    changed = value.copy()
    changed[at[0]] = put(value[at[0]], at[1:], new)
    return changed


def test_whatever_stands_in_a_field_a_bundle_is_refused_or_its_run_can_be_shown(
    gate: Path, there: Program, at: Callable[..., dict]
) -> None:
    files, taken, refusals = files_of(gate), 0, 0
    files["messages.jsonl"] = message(payload={"a": 1}, actor="ann", wait_id="w7")
    for name in ("journal.jsonl", "messages.jsonl"):
        lines = files[name].splitlines()
        for number, told in enumerate(map(json.loads, lines)):
            for place in places(told):
                for odd in (None, -1, "\ud800", {"a": 1}, [True]):
                    changed = json.dumps(put(told, place, odd), separators=(",", ":")).encode()
                    body = b"".join(line + b"\n" for line in [*lines[:number], changed, *lines[number + 1 :]])
                    gate.write_bytes(rewritten(files | {name: body}, sealed=True))
                    if is_sound(gate):
                        shown = at(there, "inspect", "--run-id", at(there, "import", str(gate), "--copy")["run_id"])
                        taken += shown["status"] == "waiting"
                    else:
                        refusals += 1
    assert taken > 10
    assert refusals > 200
    assert len(at(there, "runs", "--limit", "1000")["runs"]) == taken
    assert at(there, "waits")["waits"] != []


def is_sound(bundle: Path) -> bool:
    from checkpointflow.client.bundles.reading import Bundle
    from checkpointflow.errors import BundleError

    try:
        Bundle(bundle).__exit__(None, None, None)
    except BundleError:
        return False
    return True


def test_each_sort_of_field_in_the_journal_is_looked_at() -> None:
    from checkpointflow.client.bundles.soundness import SORTS
    from checkpointflow.kernel.entries import ENTRY_CLASSES

    assert {str(field.type) for entry in ENTRY_CLASSES for field in fields(entry)} == set(SORTS)


def test_a_bundle_that_holds_a_name_twice_is_refused(gate: Path, refused: Callable[[Path], str]) -> None:
    before = gate.read_bytes()
    for name in ("journal.jsonl", "Journal.jsonl", "stdout/FIRST.1.txt"):
        add(gate, member(plain(name), b""))
        assert "none of ours" in refused(gate)
        gate.write_bytes(before)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.XHDTYPE,
             tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_SPARSE, tarfile.CONTTYPE, b"Z"],
)  # fmt: skip
def test_links_devices_and_extensions_are_refused(gate: Path, refused: Callable[[Path], str], kind: bytes) -> None:
    info = plain("stdout/first.2.txt")
    info.type, info.linkname = kind, "/etc/passwd"
    add(gate, member(info, b""))
    assert "no plain file" in refused(gate)


@pytest.mark.parametrize(
    ("field", "value"),
    [("mode", 0o4755), ("mtime", 7), ("uid", 1), ("uname", "root"), ("linkname", "x"), ("type", tarfile.AREGTYPE)],
)
def test_a_header_that_says_more_than_a_name_and_a_size_is_refused(
    gate: Path, refused: Callable[[Path], str], field: str, value: object
) -> None:
    info = plain("stdout/first.2.txt")
    setattr(info, field, value)
    add(gate, member(info, b"x"))
    assert "in a way that no bundle does" in refused(gate)


def test_what_says_that_it_is_larger_than_it_is_is_refused_unread(gate: Path, refused: Callable[[Path], str]) -> None:
    before = gate.read_bytes()
    for size in (2000, 8**11 - 1, 8**11, 1 << 62):
        info = plain("stdout/first.2.txt")
        info.size = size
        add(gate, info.tobuf(tarfile.USTAR_FORMAT if size < 8**11 else tarfile.GNU_FORMAT))
        assert "more than it does" in refused(gate)
        gate.write_bytes(before)


@pytest.mark.parametrize("rest", [b"", bytes(512), bytes(1025), bytes(10240), b"PK" + bytes(1022)])
def test_an_archive_that_does_not_end_where_its_last_file_does_is_refused(
    gate: Path, refused: Callable[[Path], str], rest: bytes
) -> None:
    gate.write_bytes(gate.read_bytes()[:-1024] + rest)
    refused(gate)


def test_a_bundle_that_was_compressed_or_packed_anew_is_refused(gate: Path, refused: Callable[[Path], str]) -> None:
    data = gate.read_bytes()
    gate.write_bytes(gzip.compress(data))
    refused(gate)
    gate.write_bytes(data)
    with tarfile.open(gate, "a") as archive:  # which pads the end
        assert len(archive.getnames()) > 5
        archive.addfile(plain("stdout/first.2.txt"))
    assert len(gate.read_bytes()) > len(data) + 1024
    assert "does not end" in refused(gate)


@pytest.mark.parametrize("part", [0, 1, 21, 100, 0.3, 0.9, -1])
def test_a_bundle_that_was_cut_is_refused(gate: Path, refused: Callable[[Path], str], part: float) -> None:
    data = gate.read_bytes()
    gate.write_bytes(data[: int(part * len(data)) if 0 < part < 1 else int(part)])
    refused(gate)


def test_a_flipped_bit_anywhere_is_refused(gate: Path) -> None:
    data = gate.read_bytes()
    for place in range(0, len(data), 23):
        flipped = bytearray(data)
        flipped[place] ^= 1 << (place % 8)
        gate.write_bytes(flipped)
        assert not is_sound(gate), place


def test_no_file_and_a_folder_are_refused(cpf: Program, at: Callable[..., dict]) -> None:
    assert at(cpf, "verify", "nowhere.tar")["error"]["code"] == "ERR_FILE_NOT_FOUND"
    assert at(cpf, "verify", ".")["error"]["code"] == "ERR_USAGE"
    assert at(cpf, "import", "nowhere.tar")["exit_code"] == 10


def test_a_bundle_that_changes_while_it_is_taken_is_refused(
    cpf: Program, there: Program, at: Callable[..., dict]
) -> None:
    from checkpointflow.client.bundles.reading import Bundle
    from checkpointflow.errors import BundleError

    at(cpf, "run", "-f", cpf.write("long.yaml", LONG), "--run-id", "long-1")
    at(cpf, "export", "--run-id", "long-1", "--move", "-o", "long.tar")
    path = cpf.cwd / "long.tar"
    with Client(replace(load_settings(), home=there.home)) as client, Bundle(path) as bundle:
        data = path.read_bytes()
        with path.open("r+b") as file:
            file.seek(data.rindex(b"x" * 1000))
            file.write(b"y")
        with pytest.raises(BundleError):
            client.take_over(bundle)
        assert not client.has("long-1")
