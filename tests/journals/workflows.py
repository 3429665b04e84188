"""The workflows whose journals are kept here; they never change, as the journals do not."""

from __future__ import annotations

from datetime import timedelta

from checkpointflow.errors import StepFailedError
from checkpointflow.kernel.retry import RetryPolicy
from checkpointflow.kernel.run import Answer, LocalEffect, Policy, Run, StepCall, WaitRequest
from checkpointflow.values import JsonObject, JsonValue


def _call(arguments: JsonValue, *, once: bool = False, attempts: int = 1, backoff: float = 1.0) -> StepCall:
    retry = RetryPolicy(max_attempts=attempts, backoff_seconds=backoff)
    return StepCall(kind="do", arguments=arguments, policy=Policy(retry=retry, effect="once" if once else "idempotent"))


def _event(name: str, timeout_seconds: float | None = None) -> WaitRequest:
    return WaitRequest(event_name=name, audience="user", prompt="Go on?", timeout_seconds=timeout_seconds)


class Release:
    """Builds, asks, deploys to two places beside each other, and tells: with all that can go wrong on the way."""

    async def drive(self, run: Run) -> JsonObject:
        run.note("mode", "set", lambda: {"dry": False})
        built = await run.step("build", _call(run.input, attempts=2))
        asked = await run.wait("ask", _event("approval"))
        reminded = await run.wait("remind", _event("reminder", timeout_seconds=100))
        await run.sleep("settle", timedelta(seconds=500))
        deployed = await self._deploy(run)
        run.skip("rollback", "not needed")
        told = await run.perform("tell", LocalEffect(function=lambda _context: "told", identity="here:tell"))
        return {
            "result": {
                "built": built.output,
                "approved": asked.payload if isinstance(asked, Answer) else None,
                "reminded": isinstance(reminded, Answer),
                "deployed": deployed,
                "told": told.output,
                "began_at": run.now().isoformat(),
            }
        }

    async def _deploy(self, run: Run) -> JsonValue:
        scope = run.scope("deploy", "parallel", meaning=["eu", "us"], members=2)
        fibers = [scope.spawn(self._apply, item=place) for place in ("eu", "us")]
        first = await run.settled(fibers)
        if first.error is not None:
            for fiber in fibers:
                fiber.cancel()
            raise first.error
        results = [await fiber for fiber in fibers]
        scope.close()
        return results

    async def _apply(self, run: Run) -> JsonValue:
        return (await run.step("apply", _call(run.key))).output


class Stuck:
    """Waits for all that one can wait for, each in a member of its own."""

    async def drive(self, run: Run) -> JsonObject:
        report = await run.step("report", _call("large"))
        scope = run.scope("fan", "parallel")
        members = [self._doubtful, self._asking, self._sleeping, self._retrying]
        fibers = [scope.spawn(member, item=index) for index, member in enumerate(members)]
        return {"result": [report.output, *[await fiber for fiber in fibers]]}

    async def _doubtful(self, run: Run) -> JsonValue:
        return (await run.step("pay", _call(1, once=True))).output

    async def _asking(self, run: Run) -> JsonValue:
        answer = await run.wait("ask", _event("approval", timeout_seconds=3600))
        return answer.payload if isinstance(answer, Answer) else "nobody"

    async def _sleeping(self, run: Run) -> JsonValue:
        await run.sleep("nap", timedelta(days=1))
        return "rested"

    async def _retrying(self, run: Run) -> JsonValue:
        return (await run.step("fetch", _call(2, attempts=3, backoff=900.0))).output


class Abandoned:
    """Is decided about, goes on, and is cancelled in the middle."""

    async def drive(self, run: Run) -> JsonObject:
        try:
            await run.step("pay", _call(1, once=True))
        except StepFailedError as error:
            message = error.message
            run.note("why", "set", lambda: message)
        run.scope("work", "workflow")
        await run.wait("ask", _event("approval"))
        return {"result": None}
