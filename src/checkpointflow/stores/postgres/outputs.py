"""What steps printed, in chunks in the database: kept when an attempt has ended, brought when somebody reads it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from checkpointflow.kernel.ids import RunId
from checkpointflow.stores.postgres.database import Database, Transaction

_CHUNK_BYTES = 256 * 1024


class Outputs:
    """The files with the output of steps, by run and name; see OutputKeeper."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, run_id: RunId, name: str, path: Path) -> None:
        """Keep the content of a file, in place of what was kept under this name; memory does not grow with it.

        A crash leaves either all of it or nothing that is shown.

        Raises:
            PersistenceError: the store cannot be written.
            OSError: the file cannot be read.
        """
        with path.open("rb") as file:
            chunk, number = file.read(_CHUNK_BYTES), 0
            while len(chunk) == _CHUNK_BYTES:
                with self._database.writing(run_id) as transaction:
                    _keep(transaction, run_id, name, number, chunk)
                chunk, number = file.read(_CHUNK_BYTES), number + 1
            size = number * _CHUNK_BYTES + len(chunk)
            with self._database.writing(run_id) as transaction:
                _keep(transaction, run_id, name, number, chunk)
                transaction.run(
                    "INSERT INTO outputs SELECT run_id, ?, ? FROM runs WHERE run_id = ?"
                    " ON CONFLICT (run_id, name) DO UPDATE SET size = excluded.size",
                    name, size, run_id,
                )  # fmt: skip

    def names(self, run_id: RunId) -> list[str]:
        """Return the names under which something of a run is kept.

        Raises:
            PersistenceError: the store cannot be read.
        """
        with self._database.reading() as transaction:
            found = transaction.rows("SELECT name FROM outputs WHERE run_id = ? ORDER BY name", run_id)
        return [cast(str, row[0]) for row in found]

    def bring(self, run_id: RunId, name: str, path: Path) -> bool:
        """Write what is kept to a file that only its owner may read, in a folder that is there; False if nothing is.

        Raises:
            PersistenceError: the store cannot be read.
            OSError: the file cannot be written.
        """
        with self._database.reading() as transaction:
            kept = transaction.row("SELECT size FROM outputs WHERE run_id = ? AND name = ?", run_id, name)
        if kept is None:
            return False
        draft = path.with_name(f"{path.name}.{os.getpid()}.part")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123
            for number in range(-(-cast(int, kept[0]) // _CHUNK_BYTES)):
                file.write(self._chunk(run_id, name, number))
        draft.replace(path)
        return True

    def _chunk(self, run_id: RunId, name: str, number: int) -> bytes:
        sql = "SELECT data FROM output_chunks WHERE run_id = ? AND name = ? AND number = ?"
        with self._database.reading() as transaction:
            row = transaction.row(sql, run_id, name, number)
        return b"" if row is None else cast(bytes, row[0])


def _keep(transaction: Transaction, run_id: RunId, name: str, number: int, chunk: bytes) -> None:
    """Keep a chunk of a run that is there; it may have been deleted meanwhile."""
    transaction.run(
        "INSERT INTO output_chunks SELECT run_id, ?, ?, ? FROM runs WHERE run_id = ?"
        " ON CONFLICT (run_id, name, number) DO UPDATE SET data = excluded.data",
        name, number, chunk, run_id,
    )  # fmt: skip
