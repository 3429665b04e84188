"""The web server that the steps of kind `api` ask in the torture; it keeps the log of what it was asked."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import unquote

from checkpointflow.clock import SystemClock
from local_server import Reply, Seen, local_server

WAYS = ("plain", "flaky", "slow", "torn", "failing")
SLOW_SECONDS = 1.5


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request that came, by the step whose key it bore; `token` is in the answer, which no other request got."""

    run: str
    key: str
    generation: int
    token: int
    at: datetime


@dataclass
class Asked:
    """All requests in the order in which they came; safe for threads."""

    requests: list[Request] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, seen: Seen) -> Reply:
        """Note a request, and answer it as its path says: in the first attempt or while nobody has voided the step."""
        name = unquote(seen.headers["idempotency-key"])
        step, _, generation = name.rpartition("/")
        run, _, key = step.partition("/")
        with self.lock:
            self.counts[name] += 1
            token, is_first = len(self.requests) + 1, self.counts[name] == 1
            request = Request(run=run, key=key, generation=int(generation), token=token, at=SystemClock().now())
            self.requests.append(request)
        return _reply(seen.path.strip("/"), token, is_first=is_first, is_new=generation != "0")


def _reply(way: str, token: int, *, is_first: bool, is_new: bool) -> Reply:
    if way == "slow" and is_first:
        time.sleep(SLOW_SECONDS)
    if (way == "flaky" and is_first) or (way == "failing" and not is_new):
        return Reply(status=503, body=b"not now")
    if way == "torn" and is_first:
        cuts = (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
        return Reply(raw=cuts[token % 3], resets=token % 2 == 0)
    headers = {"Content-Type": "application/json"}
    return Reply(body=json.dumps({"token": token}).encode(), headers=headers)


@contextlib.contextmanager
def web() -> Iterator[tuple[str, Asked]]:
    """Yield the address of a server, and what it is asked."""
    asked = Asked()
    with local_server({f"/{way}": asked.answer for way in WAYS}) as server:
        yield server.url, asked
