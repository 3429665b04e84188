"""The tar archive that a bundle is: how each file stands in it, and reading one that anybody may have written."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import IO

from checkpointflow.records import dataclass

BLOCK_BYTES = 512
END = bytes(2 * BLOCK_BYTES)
LONGEST_NAME = 96
_CHUNK_BYTES = 1 << 20
_MOST_FILES = 1_000_000
_FIRST_LARGE = 8**11
"""From this size on a header of the first tar format has no room for it, and GNU's is used."""


class OddArchiveError(Exception):
    """The file is no archive as `header` would have it; the text goes on from the file's name."""


@dataclass(frozen=True, slots=True)
class Member:
    """Where a file's bytes lie in an archive."""

    start: int
    size: int


def header(name: str, size: int) -> bytes:
    """Return the one header that a file of this name and size has: plain, private, of no owner and no time."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    if size >= _FIRST_LARGE:
        return info.tobuf(tarfile.GNU_FORMAT, "ascii", "strict")
    return info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")


def padding(size: int) -> bytes:
    """Return the zeros that follow a file of this size, up to the next header."""
    return bytes(-size % BLOCK_BYTES)


class Archive:
    """The files of an archive by their names; no two share bytes, and none is anything but a plain file.

    Raises:
        OddArchiveError: a byte beside the contents of the files is not as it has to be, or the archive was cut.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size = file.seek(0, 2)
        self.members = dict(self._found())

    def read(self, name: str) -> bytes:
        """Return the contents of a file, KeyError if there is none of this name."""
        return b"".join(self.pieces(name))

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield the contents of a file piece by piece, KeyError if there is none of this name."""
        member = self.members[name]
        at, left = member.start, member.size
        while left:
            piece = self._at(at, min(left, _CHUNK_BYTES))
            at, left = at + len(piece), left - len(piece)
            yield piece

    def _found(self) -> Iterator[tuple[str, Member]]:
        """Yield each file in its order, up to the end mark, which ends the archive."""
        at, lowered = 0, set[str]()
        while (block := self._at(at, BLOCK_BYTES)) != END[:BLOCK_BYTES]:
            name, size = _named(block)
            if name.lower() in lowered or len(lowered) >= _MOST_FILES:
                raise OddArchiveError(f"holds `{name}` twice, or too many files; it is none of ours")
            lowered.add(name.lower())
            start = at + BLOCK_BYTES
            at = start + size + len(padding(size))
            if self._at(start + size, len(padding(size))).strip(b"\0"):
                raise OddArchiveError(f"holds something behind `{name}`; it is none of ours")
            yield name, Member(start, size)
        if self.size != at + len(END) or self._at(at, len(END)) != END:
            raise OddArchiveError("does not end where its last file does; it is none of ours, or it was cut")

    def _at(self, place: int, size: int) -> bytes:
        if place + size > self.size:
            raise OddArchiveError("says that it holds more than it does; it is none of ours, or it was cut")
        self._file.seek(place)
        data = self._file.read(size)
        if len(data) != size:
            raise OddArchiveError("was cut while it was read; get it again from where it was written")
        return data


def _named(block: bytes) -> tuple[str, int]:
    """Return the name and size in a header, which has no other bytes than `header` would give it."""
    try:
        info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.HeaderError, UnicodeError):
        raise OddArchiveError(
            "is no bundle, or it was cut or changed; get it again from where it was written"
        ) from None
    if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
        raise OddArchiveError(f"holds `{info.name[:80]}`, which is no plain file; it is none of ours")
    if info.size < 0 or len(info.name) > LONGEST_NAME + len("stdout/") or block != _expected(info):
        raise OddArchiveError(f"holds `{info.name[:80]}` in a way that no bundle does; it is none of ours")
    return info.name, info.size


def _expected(info: tarfile.TarInfo) -> bytes:
    try:
        return header(info.name, info.size)
    except ValueError:
        return b""
