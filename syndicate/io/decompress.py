"""Bodies in gzip or deflate, unpacked bit by bit: however little a bomb weighs, no more than the limit comes out."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from syndicate.errors import FetchError

ACCEPT_ENCODING = "gzip, deflate"
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_PIECE = 65_536


def decompressed(chunks: Iterable[bytes], encoding: str, limit: int) -> Iterator[bytes]:
    """The body behind a Content-Encoding (RFC 9110 8.4.1): one of gzip, deflate or none.

    Stops soon after more than ``limit`` bytes came out: who reads must count. Raises FetchError for another or a
    second encoding, and for data that is none.
    """
    kind = encoding.strip().lower()
    if kind in {"", "identity"}:
        yield from chunks
        return
    if kind not in {"gzip", "x-gzip", "deflate"}:
        raise FetchError(f"the answer came in an encoding that was not asked for: {kind[:40]}")
    yield from _unpack(chunks, raw_allowed=kind == "deflate", limit=limit)


def _unpack(chunks: Iterable[bytes], *, raw_allowed: bool, limit: int) -> Iterator[bytes]:
    unpacker, total = zlib.decompressobj(_GZIP_OR_ZLIB), 0
    begun = b""  # what went in while nothing came out: the frame, which may turn out to be missing
    open_member = False
    for chunk in chunks:
        waiting = chunk
        begun = begun + chunk if raw_allowed and not total else b""
        while waiting and total <= limit:
            open_member = True
            try:
                piece = unpacker.decompress(waiting, _PIECE)
            except zlib.error as error:
                if not begun:
                    raise FetchError(f"the answer's compression is damaged ({error})") from error
                # deflate without zlib's frame, as some servers send it
                unpacker, waiting, begun, raw_allowed = zlib.decompressobj(-zlib.MAX_WBITS), begun, b"", False
                continue
            total += len(piece)
            yield piece
            waiting = unpacker.unconsumed_tail
            if unpacker.eof:
                open_member = False
                waiting = unpacker.unused_data.lstrip(b"\0")  # tapes were padded, and so are some answers
                unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)  # gzip may have several members (RFC 1952 2.2)
        if total > limit:
            return
    if open_member:
        raise FetchError("the answer's compressed body ends too early")
