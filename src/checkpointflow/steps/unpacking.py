"""Compressed bodies unpacked piece by piece, never to more than is wanted, and whether they came to their end."""

from __future__ import annotations

import zlib

_UNPACKED = frozenset({"gzip", "x-gzip", "deflate"})
_MOST = 5
_ANY_HEADER = 47
_NO_HEADER = -15


class Unpacker:
    """A body in the encodings of a header `Content-Encoding`, the last of which is taken off first.

    Raises:
        ValueError: there is another one among them than gzip, deflate and identity, or more than 5.
    """

    def __init__(self, header: str) -> None:
        encodings = [word.strip() for word in header.lower().split(",")]
        kept = [encoding for encoding in encodings if encoding not in ("identity", "")]
        if len(kept) > _MOST or not _UNPACKED.issuperset(kept):
            raise ValueError("it is in encodings that are not taken off here")
        self._layers = [_Layer(is_deflate=encoding == "deflate") for encoding in reversed(kept)]

    @property
    def is_at_end(self) -> bool:
        """Whether what came is all: nothing at all, or whole streams."""
        return all(layer.is_at_end for layer in self._layers)

    def feed(self, data: bytes, most: int) -> bytes:
        """Return what a piece unpacks to, of which no more than `most` bytes are wanted.

        Raises:
            ValueError: it is not in its encoding.
        """
        for layer in self._layers:
            data = layer.feed(data, most)
        return data


class _Layer:
    """One encoding: gzip, or deflate with or without the header that some servers leave out."""

    def __init__(self, *, is_deflate: bool) -> None:
        self._is_deflate = is_deflate
        self._begun: zlib._Decompress | None = None

    @property
    def is_at_end(self) -> bool:
        return self._begun is None or self._begun.eof

    def feed(self, data: bytes, most: int) -> bytes:
        unpacked = b""
        try:
            while data and len(unpacked) < most:
                if self._begun is None or self._begun.eof:
                    if self._begun is not None and not data.startswith(b"\x1f\x8b"):
                        break  # what follows a stream is another one, or filling
                    self._begun = zlib.decompressobj(self._window(data))
                unpacked += self._begun.decompress(data, most - len(unpacked))
                data = self._begun.unused_data
        except zlib.error as error:
            raise ValueError(str(error)) from None
        return unpacked

    def _window(self, data: bytes) -> int:
        """Return how zlib is to read on: a deflate stream that does not begin as zlib's do has no header."""
        has_header = data[0] & 0x0F == 8 and (data[0] << 8 | data[1] if len(data) > 1 else 0) % 31 == 0
        return _NO_HEADER if self._is_deflate and not has_header else _ANY_HEADER
