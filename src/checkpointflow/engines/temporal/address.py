"""The address of a Temporal service, as `--engine` and `CPF_ENGINE` give it; nothing is connected here."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from checkpointflow.engines import shown
from checkpointflow.errors import UsageError
from checkpointflow.records import dataclass

FORM = "temporal://HOST:PORT/NAMESPACE?task_queue=QUEUE"
PORT = 7233
QUEUE = "cpf"


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """Where a Temporal service is, and which of its namespaces and task queues are ours.

    Values too long for its messages are kept in the folder `blobs`, which doors and workers have to share; None for the
    one in the state folder.
    """

    url: str
    target: str
    namespace: str = "default"
    task_queue: str = QUEUE
    blobs: Path | None = None


def parsed(url: str) -> Address:
    """Return the address that a URL gives.

    Raises:
        UsageError: it is none.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or PORT
    except ValueError:
        raise _wrong(url, "its host or port is none") from None
    if parts.scheme != "temporal" or not parts.hostname:
        raise _wrong(url, "it names no host")
    if parts.username is not None or parts.fragment:
        raise _wrong(url, "it names a user or a part behind `#`")
    given = parse_qs(parts.query, keep_blank_values=True)
    unknown = [name for name in given if name not in ("task_queue", "blobs")]
    if unknown or any(len(values) > 1 or not values[0] for values in given.values()):
        raise _wrong(url, f"`{unknown[0]}` is unknown" if unknown else "a value is missing or given twice")
    namespace = unquote(parts.path.strip("/")) or "default"
    if "/" in namespace:
        raise _wrong(url, "a namespace has no `/`")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    blobs = given.get("blobs")
    return Address(
        url=url,
        target=f"{host}:{port}",
        namespace=namespace,
        task_queue=given.get("task_queue", [QUEUE])[0],
        blobs=None if blobs is None else Path(blobs[0]),
    )


def _wrong(url: str, why: str) -> UsageError:
    return UsageError(f"the engine `{shown(url)}` cannot be used, because {why}; say `{FORM}`")
