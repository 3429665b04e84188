"""What a document's deciding shows to whoever follows it: the steps begun, the ways taken; nothing is decided here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from checkpointflow.frontends.document.model import Document, Path, Step

if TYPE_CHECKING:
    from checkpointflow.frontends.document.frame import Frame


class Trace:
    """Is told what a drive decides, and makes nothing of it; whoever follows a run overrides what it is told.

    A drive that goes over a journal again tells most of it again.
    """

    def began(self, frame: Frame, step: Step) -> None:
        """A step begins, under the key that the frame has for it; one that its `if` passes over does not."""

    def took(self, document: Document, path: Path) -> None:
        """A way was taken: the field at this path led on, or (the path of a step itself) the order of the list."""


NOBODY = Trace()
"""Follows nothing."""
