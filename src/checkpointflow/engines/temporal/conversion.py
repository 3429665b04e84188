"""How values become Temporal's payloads: JSON whose keys keep their order, and large ones in a folder of their own."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    EncodingPayloadConverter,
    PayloadCodec,
)

from checkpointflow.errors import StoreUnavailable

LARGE_BYTES = 64 * 1024
"""Payloads longer than this are kept in a folder, and only their digest goes through the service.

The service takes 2 MB in one payload, and 4 MB in one message, which may hold the beginnings of many steps.
"""

_BLOB = b"checkpointflow/blob"


class JsonConverter(EncodingPayloadConverter):
    """JSON as Temporal's own tools read it, but with the keys of objects in their order, which commands may print."""

    @property
    def encoding(self) -> str:
        """The name that payloads carry."""
        return "json/plain"

    def to_payload(self, value: Any) -> Payload | None:
        """Return a value as a payload."""
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)
        return Payload(metadata={"encoding": self.encoding.encode()}, data=text.encode())

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        """Return the value of a payload."""
        del type_hint
        return json.loads(payload.data)


class OrderedConverter(CompositePayloadConverter):
    """All values are JSON."""

    def __init__(self) -> None:
        super().__init__(JsonConverter())


class BlobCodec(PayloadCodec):
    """Keeps large payloads as files, by the hash of what is in them; whoever reads them needs the same folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return the payloads, the large ones as digests.

        Raises:
            StoreUnavailable: the folder cannot be written.
        """
        return [self._kept(one) if one.ByteSize() > LARGE_BYTES else one for one in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return the payloads as they were.

        Raises:
            StoreUnavailable: a large one is not in the folder.
        """
        return [self._fetched(one) if one.metadata.get("encoding") == _BLOB else one for one in payloads]

    def _kept(self, payload: Payload) -> Payload:
        data = payload.SerializeToString()
        digest = hashlib.sha256(data).hexdigest()
        path = self._folder / digest
        try:
            if not path.exists():
                self._write(path, data)
        except OSError as error:
            raise StoreUnavailable(
                f"a large value cannot be kept in `{self._folder}`: {error.strerror or error}; mend the folder, "
                "or name another with `blobs=` in the engine's address"
            ) from None
        return Payload(metadata={"encoding": _BLOB}, data=digest.encode())

    def _write(self, path: Path, data: bytes) -> None:
        """Write a file whole or not at all: a crash leaves a file beside it that nobody reads."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f"{path.name}.{os.getpid()}.{id(data):x}")
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(0o600)
        draft.replace(path)

    def _fetched(self, payload: Payload) -> Payload:
        path = self._folder / payload.data.decode()
        try:
            return Payload.FromString(path.read_bytes())
        except OSError as error:
            raise StoreUnavailable(
                f"a large value of the run is not to be had in `{self._folder}`: {error.strerror or error}; doors and "
                "workers have to share that folder, which `blobs=` in the engine's address names"
            ) from None


def converter(folder: Path) -> DataConverter:
    """Return how values of ours travel, large ones by way of a folder."""
    return DataConverter(payload_converter_class=OrderedConverter, payload_codec=BlobCodec(folder))
