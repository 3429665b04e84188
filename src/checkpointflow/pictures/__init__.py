"""Pictures of workflows, in several formats; nothing here knows documents, runs or files."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from checkpointflow.pictures.picture import Picture

FORMATS = ("mermaid", "svg", "html", "text")
"""What a picture can be rendered as; each is a module here."""

SUFFIXES = {".mmd": "mermaid", ".mermaid": "mermaid", ".svg": "svg", ".html": "html", ".htm": "html", ".txt": "text"}
"""The format that the end of a file's name asks for."""


class _Renderer(Protocol):
    def render(self, picture: Picture, /) -> str:
        """Return the picture as text."""


def rendered(picture: Picture, form: str) -> str:
    """Return a picture in one of `FORMATS`, its last newline included; the same picture always gives the same text.

    Raises:
        KeyError: there is no such format.
    """
    if form not in FORMATS:
        raise KeyError(form)
    renderer = cast(_Renderer, import_module(f"checkpointflow.pictures.{form}"))
    return renderer.render(picture)
