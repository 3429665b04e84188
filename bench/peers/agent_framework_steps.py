"""Trivial steps of Agent Framework with file checkpoints; words: FOLDER COUNT; runs in its environment."""

import asyncio
import json
import sys
import time
from importlib import import_module
from typing import Any

_framework: Any = import_module("agent_framework")


class Add(_framework.Executor):  # type: ignore[misc]
    """Sends itself the next number, until there are enough."""

    def __init__(self, count: int) -> None:
        super().__init__(id="add")
        self.count = count

    @_framework.handler  # type: ignore[untyped-decorator]
    async def add(self, number: int, ctx: _framework.WorkflowContext[int, int]) -> None:
        """Do next to nothing."""
        if number >= self.count:
            await ctx.yield_output(number)
        else:
            await ctx.send_message(number + 1)


async def main(folder: str, count: int) -> None:
    """Run it, and print how fast that went."""
    add = Add(count)
    storage = _framework.FileCheckpointStorage(folder)
    builder = _framework.WorkflowBuilder(
        start_executor=add, checkpoint_storage=storage, max_iterations=count + 10, output_from="all"
    )
    flow = builder.add_edge(add, add).build()
    begun = time.perf_counter()
    assert (await flow.run(0)).get_outputs() == [count]
    print(json.dumps({"per_second": count / (time.perf_counter() - begun)}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
