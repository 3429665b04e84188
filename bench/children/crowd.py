"""Processes that drive their own runs on one store at once; words: HOME PROCESSES COUNT."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

STEPS = Path(__file__).with_name("durable_steps.py")


def main(home: str, processes: int, count: int) -> None:
    """Begin them, and print how fast they were together."""
    words = [sys.executable, str(STEPS), home, str(count)]
    begun = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    found = [json.loads(process.communicate()[0].splitlines()[-1]) for process in begun]
    print(json.dumps({
        "per_second": sum(one["per_second"] for one in found),
        "slowest_commit_ms": max(one["slowest_commit_ms"] for one in found),
    }))  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
