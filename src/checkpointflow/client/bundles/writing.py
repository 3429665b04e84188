"""Writing a run bundle: the same bytes for the same run, and never half a file under its name."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from checkpointflow.client.bundles import archive, layout
from checkpointflow.client.bundles.layout import Digested
from checkpointflow.errors import StoreUnavailable
from checkpointflow.kernel.ids import new_event_id
from checkpointflow.stores.sqlite import locks
from checkpointflow.values import dump

_CHUNK_BYTES = 1 << 20


class Draft:
    """A bundle that is being written: private, and under another name until it is whole and on the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._draft = path.with_name(f".{path.name}.{new_event_id()}.part")
        with _named(path):
            self._file = os.fdopen(locks.open_private(self._draft, new=True), "wb")

    def write(self, run: layout.Run, folder: Path) -> None:
        """Write a run, with what its attempts printed into files of its folder, and give the bundle its name.

        Raises:
            StoreUnavailable: it cannot be written; there is no bundle.
        """
        with _named(self._path):
            _write(self._file, run, folder)
            self._file.write(archive.END)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._draft.replace(self._path)
            locks.sync_directory(self._path.absolute().parent)

    def drop(self) -> None:
        """Leave nothing of it, unless it has its name."""
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._draft.unlink(missing_ok=True)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            f"the bundle `{path}` cannot be written: {error.strerror or error}; "
            "make room, or name a file in a folder that is writable for you"
        ) from None


def _write(target: IO[bytes], run: layout.Run, folder: Path) -> None:
    files: dict[str, Digested] = {}
    texts = layout.texts_of(run)
    for name, data in texts.items():
        files[name] = _put(target, name, data)
    for name, (kind, file) in sorted(layout.output_names(run).items()):
        found = _copy(target, name, folder / kind / file)
        if found is not None:
            files[name] = found
    manifest = dump(layout.manifest(run, layout.last_value(texts[layout.CHAIN]), files))
    files[layout.MANIFEST] = _put(target, layout.MANIFEST, f"{manifest}\n".encode("utf-8", "surrogatepass"))
    _put(target, layout.SUMS, layout.sums(files))


def _put(target: IO[bytes], name: str, data: bytes) -> Digested:
    target.write(archive.header(name, len(data)) + data + archive.padding(len(data)))
    return layout.digested(data)


def _copy(target: IO[bytes], name: str, path: Path) -> Digested | None:
    """Copy a file as long as it is now, since its command may go on printing; None if there is none."""
    try:
        source = path.open("rb")
    except FileNotFoundError:
        return None
    with source:
        left = size = os.fstat(source.fileno()).st_size
        digest = hashlib.sha256()
        target.write(archive.header(name, size))
        while left and (chunk := source.read(min(left, _CHUNK_BYTES))):
            left -= len(chunk)
            digest.update(chunk)
            target.write(chunk)
        target.write(archive.padding(size))
    if left:
        raise OSError(f"`{path}` shrank while it was read")
    return Digested(digest.hexdigest(), size)
