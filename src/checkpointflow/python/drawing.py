"""A workflow as Mermaid, and such Mermaid as a page that needs nothing else; what is drawn is decided elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkpointflow.records import replace

if TYPE_CHECKING:
    from checkpointflow.frontends.document.model import Document
    from checkpointflow.frontends.graph.definition import GraphDefinition
    from checkpointflow.pictures.picture import Node, Picture, State


def workflow_to_mermaid(
    definition: Mapping[str, Any] | GraphDefinition | Document,
    *,
    done_nodes: Collection[str] | None = None,
    active_node: str | None = None,
    failed: bool = False,
    fenced: bool = True,
) -> str:
    """Return a graph (its dict, or a `GraphDefinition`) or a document as a Mermaid flowchart.

    Nodes under `done_nodes` are marked as completed, `active_node` as running, or as failed with `failed`. Names are
    data: nothing in them can end a label. With `fenced` it stands in a fence for Markdown.

    Raises:
        ValueError: the dict is no graph that can be used.
    """
    from checkpointflow.pictures.mermaid import render

    picture = _picture(definition)
    if done_nodes is not None or active_node is not None:
        picture = _with_states(picture, frozenset(done_nodes or ()), active_node, failed)
    source = render(picture)
    return f"```mermaid\n{source}```\n" if fenced else source


def mermaid_to_html(source: str, path: str | Path, title: str | None = None) -> Path:
    """Write the flowchart that `workflow_to_mermaid` gave as a page with the drawing, and return its path.

    The page needs no network, no script and no file beside it. Its folder is made if it is missing.

    Raises:
        ValueError: the file's name ends in neither `.html` nor `.htm`, or the source is other Mermaid.
    """
    from checkpointflow.pictures import rendered
    from checkpointflow.pictures.mermaid_reader import read

    into = Path(path)
    if into.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"unsupported output extension '{into.suffix}'; use one of .html, .htm")
    picture = read(source)
    picture = replace(picture, title=title if title is not None else picture.title or into.stem)
    into.parent.mkdir(parents=True, exist_ok=True)
    into.write_text(rendered(picture, "html"), encoding="utf-8", newline="\n")
    return into


def _picture(definition: Mapping[str, Any] | GraphDefinition | Document) -> Picture:
    from checkpointflow.frontends.graph.definition import GraphDefinition
    from checkpointflow.frontends.graph.picture import picture_of

    if isinstance(definition, GraphDefinition):
        return picture_of(definition.graph)
    if isinstance(definition, Mapping):
        return picture_of(GraphDefinition.of(definition).graph)
    from checkpointflow.frontends.document.picture import picture_of as picture_of_document

    return picture_of_document(definition)


def _with_states(picture: Picture, done: frozenset[str], active: str | None, failed: bool) -> Picture:
    from checkpointflow.pictures.picture import State

    def state(node: Node) -> State | None:
        if node.group is not None or not node.key:
            return None
        if node.label == active:
            return State(status="failed" if failed else "running")
        return State(status="completed" if node.label in done else "not_reached")

    return replace(picture, nodes=tuple(replace(node, state=state(node)) for node in picture.nodes))
