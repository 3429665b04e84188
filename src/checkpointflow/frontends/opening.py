"""Opens what a run keeps: its definition, for an edited one its code, and effects by their recipes; runs nothing."""

from __future__ import annotations

from checkpointflow.errors import UnsupportedError
from checkpointflow.frontends.definition import Definition
from checkpointflow.kernel.run import LocalEffect
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


def with_code_of(edited: Definition, stored: JsonObject) -> Definition:
    """Return an edited definition with the code that the run's stored one names, where its own text names none."""
    if edited.stored.get("kind") != "graph" or stored.get("kind") != "graph":
        return edited
    from checkpointflow.frontends.graph.definition import GraphDefinition

    return edited.with_code_of(stored) if isinstance(edited, GraphDefinition) else edited


def recalled(recipe: JsonObject) -> LocalEffect:
    """Return the effect that a recipe stands for, in a process that does not drive its run.

    Raises:
        UnsupportedError: its code cannot be had here.
    """
    from checkpointflow.frontends.functions.loops import here

    if recipe.get("kind") == "graph":
        from checkpointflow.frontends.graph.recalling import recalled as of_graph

        return of_graph(recipe, loop=here())
    from checkpointflow.frontends.functions.calls import recalled as of_function

    return of_function(recipe, loop=here)
