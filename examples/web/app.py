"""A web application that keeps the checkpoints of its runs in a table of its own, so that any of its workers goes on.

    pip install starlette uvicorn
    uvicorn --app-dir examples/web app:app --port 8000 & uvicorn --app-dir examples/web app:app --port 8001 &
    curl localhost:8000/reviews -d '{"text": "Owls see well."}'
    curl localhost:8001/reviews/ID/answers -d '{"publish": "approve"}'

`DATABASE` names the file of the table. Nothing else is shared between the workers.
"""

from __future__ import annotations

import asyncio
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
            database.execute("CREATE TABLE IF NOT EXISTS runs (id TEXT PRIMARY KEY, position INTEGER, state BLOB)")
            yield database
    finally:
        database.close()


class Saved:
    """A checkpoint that is written to the table with each commit, before what was intended begins."""

    def __init__(self, state: bytes | None = None) -> None:
        if state is None:
            self.checkpoint = Checkpoint.new(on_commit=self.save)
        else:
            self.checkpoint = Checkpoint.load(state, on_commit=self.save)

    @classmethod
    def of(cls, run_id: str) -> Saved | None:
        with table() as database:
            row = database.execute("SELECT state FROM runs WHERE id = ?", (run_id,)).fetchone()
        return None if row is None else cls(row[0])

    def save(self, entries: list[Any], position: int) -> None:
        """Write the run where it stands as this worker knows it; what is raised ends the drive."""
        row = (position, self.checkpoint.dump(), self.checkpoint.run_id)
        with table() as database:
            if position == len(entries):
                database.execute("INSERT INTO runs (position, state, id) VALUES (?, ?, ?)", row)
                return
            change = "UPDATE runs SET position = ?, state = ? WHERE id = ? AND position = ?"
            if database.execute(change, (*row, position - len(entries))).rowcount == 0:
                raise OvertakenError(f"run {row[2]} has gone on elsewhere")


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
