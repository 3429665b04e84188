"""`cpf guide`: the manual for authors and agents, in small topics."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from checkpointflow.cli.envelope import Envelope

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door

NAME = "guide"
SUMMARY = "print the manual: how to write a document and drive it, topic by topic"

TOPICS = (
    "overview", "document", "cli", "api", "python", "set", "sleep", "await_event", "switch", "foreach",
    "parallel", "workflow", "end", "expressions", "shell", "waits", "errors", "secrets", "running",
    "revising", "driving", "testing", "exit-codes", "examples",
)  # fmt: skip
"""The topics in the order in which somebody new reads them."""
EVERYTHING = "all"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    meaning = "one topic; without it an overview and the list of topics are printed; `all` is the whole manual"
    parser.add_argument("--topic", choices=(*TOPICS, EVERYTHING), metavar="TOPIC", help=meaning)


def run(args: Namespace, _door: Door) -> Envelope:
    """Print the topic in place of an envelope."""
    if args.topic is None:
        return Envelope(text=f"{text_of(TOPICS[0])}\n{_contents()}")
    if args.topic == EVERYTHING:
        return Envelope(text="\n".join(map(text_of, TOPICS)))
    return Envelope(text=text_of(args.topic))


def text_of(topic: str) -> str:
    """Return a topic as it is shipped, in Markdown."""
    return (Path(__file__).parent.parent / "guide" / f"{topic}.md").read_text(encoding="utf-8")


def _contents() -> str:
    lines = [f"  {topic:<14}{text_of(topic).partition(chr(10))[0].removeprefix('# ')}" for topic in TOPICS]
    return "\n".join(["Topics (`cpf guide --topic TOPIC`, or `all`):", "", *lines, ""])
