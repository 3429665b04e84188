"""What a power cut would leave of a folder: only what was synced counts; nothing of checkpointflow is known here."""

from __future__ import annotations

import os
import random
import stat
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

NAME = "platter"
_JOURNALS = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL
_real_fsync = os.fsync


class Platter:
    """Remembers what of a folder was synced: the content of files, and the names in folders, each on its own.

    SQLite's files are seen through a VFS, all others at `os.fsync`. `happened` is called after all that SQLite writes
    or syncs. Files are known by their number on the disk; they are kept from being given to another file.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.happened: Callable[[], None] = lambda: None
        self._synced: dict[int, bytes] = {}
        self._unsynced: dict[int, list[tuple[int, bytes | None]]] = defaultdict(list)
        self._names: dict[int, dict[str, int]] = {}
        self._folders: set[int] = set()
        self._pins: dict[int, int] = {}
        self._lock = threading.RLock()
        self.sync_names(root)

    def has(self, path: Path) -> bool:
        """Tell whether a path lies in the folder."""
        return path.is_relative_to(self.root)

    def sync_names(self, folder: Path) -> None:
        """A folder was synced: the names in it, not what they name."""
        with self._lock:
            number = self._pinned(folder)
            self._folders.add(number)
            found = {entry.name: (entry.inode(), entry.is_dir()) for entry in os.scandir(folder)}
            self._folders |= {inode for inode, is_folder in found.values() if is_folder}
            self._names[number] = {name: inode for name, (inode, _) in found.items()}

    def sync_content(self, path: Path, content: bytes) -> None:
        """A file was synced: what is in it, not its name."""
        with self._lock:
            number = self._pinned(path)
            self._synced[number] = content
            self._unsynced[number].clear()

    def sync_writes(self, path: Path) -> None:
        """A file of which all writes were told was synced."""
        with self._lock:
            number = self._pinned(path)
            self._synced[number] = _written(self._synced.get(number, b""), self._unsynced[number])
            self._unsynced[number].clear()

    def write(self, path: Path, offset: int, data: bytes | None) -> None:
        """A file was written, or cut off there, and not yet synced."""
        with self._lock:
            self._unsynced[self._pinned(path)].append((offset, data))

    def left(self, target: Path, rng: random.Random | None = None) -> Path:
        """Write into a new folder what a power cut would leave now, and return that folder.

        With a `rng` some of what was written to files and not synced is there as well, in any order.
        """
        with self._lock:
            self._copy(self.root.stat().st_ino, target, rng)
        return target

    def close(self) -> None:
        """Let go of the files."""
        for descriptor in self._pins.values():
            os.close(descriptor)

    def _copy(self, folder: int, target: Path, rng: random.Random | None) -> None:
        target.mkdir()
        for name, number in self._names.get(folder, {}).items():
            if number in self._folders:
                self._copy(number, target / name, rng)
            else:
                (target / name).write_bytes(self._content(number, rng))

    def _content(self, number: int, rng: random.Random | None) -> bytes:
        pieces = self._unsynced[number] if rng is not None else []
        chosen = [piece for piece in pieces if rng is not None and rng.random() < 0.5]
        return _written(self._synced.get(number, b""), chosen)

    def _pinned(self, path: Path) -> int:
        descriptor = os.open(path, os.O_PATH)
        number = os.fstat(descriptor).st_ino
        if number in self._pins:
            os.close(descriptor)
        else:
            self._pins[number] = descriptor
        return number


def _written(before: bytes, pieces: Sequence[tuple[int, bytes | None]]) -> bytes:
    """Return a file's content after writes; None for data cuts it off."""
    content = bytearray(before)
    for offset, data in pieces:
        content.extend(bytes(max(0, offset - len(content))))
        if data is None:
            del content[offset:]
        else:
            content[offset : offset + len(data)] = data
    return bytes(content)


class _File(apsw.VFSFile):
    """A file of SQLite that tells a platter what becomes of it."""

    def __init__(self, platter: Platter, name: apsw.URIFilename | str | None, flags: list[int]) -> None:
        text = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._path = Path(text) if text and platter.has(Path(text)) else None
        self._platter = platter
        super().__init__("unix", name, flags)
        self._syncs_names = bool(flags[0] & _JOURNALS and flags[0] & apsw.SQLITE_OPEN_CREATE)

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self._tell(lambda path: self._platter.write(path, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:
        super().xTruncate(newsize)
        self._tell(lambda path: self._platter.write(path, newsize, None))

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._tell(self._synced)

    def _synced(self, path: Path) -> None:
        self._platter.sync_writes(path)
        if self._syncs_names:  # as SQLite does with a log that it has made
            self._syncs_names = False
            self._platter.sync_names(path.parent)

    def _tell(self, what: Callable[[Path], None]) -> None:
        if self._path is not None:
            what(self._path)
            self._platter.happened()


class _Files(apsw.VFS):
    """SQLite's way to files, past a platter."""

    def __init__(self, platter: Platter) -> None:
        self._platter = platter
        super().__init__(NAME, "unix", makedefault=True)

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:
        return _File(self._platter, name, flags)


@contextmanager
def watched(root: Path) -> Iterator[Platter]:
    """Watch what is written and synced in a folder; the connections in it have to be closed before that ends."""
    platter = Platter(root)

    def fsync(descriptor: int) -> None:
        _real_fsync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if not platter.has(path):
            return
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            platter.sync_names(path)
        else:
            platter.sync_content(path, Path(f"/proc/self/fd/{descriptor}").read_bytes())

    files = _Files(platter)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        try:
            yield platter
        finally:
            files.unregister()
            platter.close()
