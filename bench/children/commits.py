"""The raw limit of commits: one row of TEXT a transaction, in a loop; words: FOLDER COUNT LEVEL [SPAWN]."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import apsw

ROW = "x" * 700
"""As many bytes as the two entries of one step of a function."""


def main(folder: str, count: int, level: str, *, spawns: bool) -> None:
    """Write rows, each with a process before it if that was asked for, and print how fast that went."""
    connection = apsw.Connection(str(Path(folder) / "bare.db"))
    connection.pragma("journal_mode", "WAL")
    connection.pragma("synchronous", "FULL" if level == "power" else "NORMAL")
    connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")
    begun, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        if spawns:
            spawn()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO rows (body) VALUES (?)", (ROW,))
        connection.execute("COMMIT")
    wall = time.perf_counter() - begun
    print(json.dumps({"per_second": count / wall, "per_cpu_second": count / (time.process_time() - cpu)}))


def spawn() -> None:
    """Run the command of the steps that this is compared with, as they run it."""
    process = os.posix_spawn("/bin/sh", ["sh", "-c", "true"], {}, setsid=True)
    os.waitpid(process, 0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], spawns=sys.argv[4:] == ["SPAWN"])
