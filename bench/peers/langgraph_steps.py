"""Trivial durable steps of a LangGraph graph with its SQLite saver; words: FOLDER COUNT; runs in its environment."""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from typing import Any, TypedDict

_graph: Any = import_module("langgraph.graph")
_sqlite: Any = import_module("langgraph.checkpoint.sqlite")


class State(TypedDict):
    """What the node changes."""

    number: int


def main(folder: str, count: int) -> None:
    """Run a graph of one node that leads to itself so many times, and print how fast that went."""
    builder = _graph.StateGraph(State)
    builder.add_node("add", lambda state: {"number": state["number"] + 1})
    builder.add_edge(_graph.START, "add")
    builder.add_conditional_edges("add", lambda state: "add" if state["number"] < count else _graph.END)
    with _sqlite.SqliteSaver.from_conn_string(f"{folder}/langgraph.sqlite") as saver:
        graph = builder.compile(checkpointer=saver)
        config = {"configurable": {"thread_id": "one"}, "recursion_limit": count + 10}
        begun = time.perf_counter()
        assert graph.invoke({"number": 0}, config, durability="sync")["number"] == count
        wall = time.perf_counter() - begun
    print(json.dumps({"per_second": count / wall}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
