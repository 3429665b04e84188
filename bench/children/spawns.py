"""The raw limit of commands: `sh -c true` spawned and waited for in a loop; words: COUNT."""

from __future__ import annotations

import json
import os
import sys
import time


def main(count: int) -> None:
    """Spawn, and print how fast that went."""
    begun = time.perf_counter()
    for _ in range(count):
        os.waitpid(os.posix_spawn("/bin/sh", ["sh", "-c", "true"], {}, setsid=True), 0)
    print(json.dumps({"per_second": count / (time.perf_counter() - begun)}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
