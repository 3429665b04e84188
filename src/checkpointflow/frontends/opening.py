"""Opens the definition that a run keeps, by the front-end that stored it."""

from __future__ import annotations

from checkpointflow.errors import UnsupportedError
from checkpointflow.frontends.definition import Definition
from checkpointflow.values import JsonObject


def open_stored(stored: JsonObject, *, path: str | None) -> Definition:
    """Return a stored definition; `path` is the file that its run was started from.

    Raises:
        UnsupportedError: this version cannot open it, or its code is not found here.
    """
    kind = stored.get("kind")
    if kind == "document":
        from checkpointflow.frontends.document.definition import Loaded, open_definition

        return Loaded(document=open_definition(stored, path=path), problems=[], stored=stored)
    if kind == "function":
        from checkpointflow.frontends.functions.loading import open_function

        return open_function(stored, path=path)
    if kind == "graph":
        from checkpointflow.frontends.graph.definition import open_definition as open_graph

        return open_graph(stored, path=path)
    raise UnsupportedError(
        "the stored definition is of a form that this version does not know",
        hint="go on with the version that started the run",
    )
