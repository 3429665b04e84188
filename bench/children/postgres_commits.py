"""The raw limit of commits in PostgreSQL: one row of TEXT a transaction, in a loop; words: URL COUNT; prints speed."""

from __future__ import annotations

import json
import sys
import time

import psycopg

ROW = "x" * 700
"""As many bytes as the two entries of one step of a function."""


def main(url: str, count: int) -> None:
    """Write rows, each with one round trip, and print how fast that went."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bare")
        connection.execute("CREATE TABLE bare (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body TEXT NOT NULL)")
        begun, cpu = time.perf_counter(), time.process_time()
        for _ in range(count):
            connection.execute("INSERT INTO bare (body) VALUES (%s)", [ROW])
        wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
    print(json.dumps({"per_second": count / wall, "per_cpu_second": count / cpu}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
