"""A web application that keeps its runs in a table of its own, entry by entry, so that any of its workers goes on.

    pip install starlette uvicorn
    uvicorn --app-dir examples/web app:app --port 8000 & uvicorn --app-dir examples/web app:app --port 8001 &
    curl localhost:8000/reviews -d '{"text": "Owls see well."}'
    curl localhost:8001/reviews/ID/answers -d '{"publish": "approve"}'

`DATABASE` names the file of the table. Nothing else is shared between the workers.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from checkpointflow import Checkpoint, Outcome, WorkflowContext, workflow
from checkpointflow.errors import CheckpointflowError

DATABASE = os.environ.get("DATABASE", "reviews.sqlite")


# -- the workflow ------------------------------------------------------------------------------------


async def count_words(text: str) -> int:
    await asyncio.sleep(0)  # a call of a service; it is awaited on the server's own loop
    return len(text.split())


def worker() -> int:
    return os.getpid()


@workflow
async def review(ctx: WorkflowContext, text: str) -> dict[str, Any]:
    began = await ctx.step("began in", worker)
    words = await ctx.task(count_words, text)
    decision = await ctx.wait_for_user(f"Publish {words} words?", input_type="approval", name="publish")
    ended = await ctx.step("ended in", worker)
    return {"words": words, "decision": decision, "workers": [began, ended]}


# -- the table ---------------------------------------------------------------------------------------


class OvertakenError(Exception):
    """Another worker has gone on with this run."""


@contextmanager
def table() -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect(DATABASE, timeout=30)
    try:
        with database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS entries (run, position INTEGER, entry TEXT, PRIMARY KEY (run, position))"
            )
            yield database
    finally:
        database.close()


class Saved:
    """A checkpoint whose new entries are written to the table with each commit, before what was intended begins."""

    def __init__(self, entries: list[dict[str, Any]] | None = None) -> None:
        if entries is None:
            self.checkpoint = Checkpoint.new(on_commit=self.save)
        else:
            self.checkpoint = Checkpoint.load(entries, on_commit=self.save)

    @classmethod
    def of(cls, run_id: str) -> Saved | None:
        with table() as database:
            rows = database.execute("SELECT entry FROM entries WHERE run = ? ORDER BY position", (run_id,)).fetchall()
        return cls([json.loads(entry) for (entry,) in rows]) if rows else None

    def save(self, entries: list[dict[str, Any]], _position: int) -> None:
        """Write what is new; a row that another worker wrote before stands against it, and that ends the drive."""
        run = self.checkpoint.run_id
        try:
            with table() as database:
                rows = [(run, one["position"], json.dumps(one)) for one in entries]
                database.executemany("INSERT INTO entries (run, position, entry) VALUES (?, ?, ?)", rows)
        except sqlite3.IntegrityError:
            raise OvertakenError(f"run {run} has gone on elsewhere") from None


# -- the pages ---------------------------------------------------------------------------------------


def shown(outcome: Outcome[Any]) -> JSONResponse:
    asked = [{"name": wait.event_name, "question": wait.prompt, "schema": wait.input_schema} for wait in outcome.waits]
    return JSONResponse(
        {"id": outcome.run_id, "status": outcome.status, "asked": asked, "result": outcome.result},
        status_code=200 if outcome.status == "completed" else 202,
    )


async def begin(request: Request) -> JSONResponse:
    return shown(await review.run(await request.json(), checkpoint=Saved().checkpoint))


async def answer(request: Request) -> JSONResponse:
    saved = Saved.of(request.path_params["id"])
    if saved is None:
        return JSONResponse({"error": "there is no such review"}, status_code=404)
    return shown(await review.run(responses=await request.json(), checkpoint=saved.checkpoint))


async def look(request: Request) -> JSONResponse:
    """Go on with a review that a worker left, or show how it stands."""
    saved = Saved.of(request.path_params["id"])
    if saved is None:
        return JSONResponse({"error": "there is no such review"}, status_code=404)
    return shown(await review.run(checkpoint=saved.checkpoint))


async def refused(_request: Request, error: Exception) -> JSONResponse:
    """What does not fit is the client's; what another worker did first is a conflict."""
    assert isinstance(error, CheckpointflowError)
    conflict = isinstance(error.__cause__, OvertakenError) or error.exit_code in (20, 70)
    return JSONResponse({"error": error.message}, status_code=409 if conflict else 400)


app = Starlette(
    routes=[
        Route("/reviews", begin, methods=["POST"]),
        Route("/reviews/{id}", look),
        Route("/reviews/{id}/answers", answer, methods=["POST"]),
    ],
    exception_handlers={CheckpointflowError: refused},
)
