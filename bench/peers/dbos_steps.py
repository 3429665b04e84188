"""Trivial durable steps of DBOS on SQLite; words: FOLDER COUNT; runs in the environment of dbos."""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from typing import Any

_dbos: Any = import_module("dbos")
DBOS = _dbos.DBOS


def main(folder: str, count: int) -> None:
    """Run a workflow of so many steps, and print how fast that went."""
    url = f"sqlite:///{folder}/dbos.sqlite"
    DBOS(config={"name": "steps", "system_database_url": url, "log_level": "ERROR"})

    @DBOS.step()  # type: ignore[untyped-decorator]
    def add(number: int) -> int:
        return number + 1

    @DBOS.workflow()  # type: ignore[untyped-decorator]
    def loop(total: int) -> int:
        for number in range(total):
            add(number)
        return total

    DBOS.launch()
    loop(10)
    begun = time.perf_counter()
    assert loop(count) == count
    wall = time.perf_counter() - begun
    DBOS.destroy()
    print(json.dumps({"per_second": count / wall}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
