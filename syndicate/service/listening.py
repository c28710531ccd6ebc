"""The sockets of the web part, bound before anything starts: an address that is taken is told at once and plainly."""

from __future__ import annotations

import errno
import os
import socket

from syndicate.errors import SyndicateError

# A name may stand for an address of a family that this machine does not have: "localhost" without IPv6.
_ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


def listen(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of a host that is one of ours. Raises SyndicateError when one is taken, or none is."""
    opened: list[socket.socket] = []
    absent: OSError | None = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(found):
            try:
                opened.append(socket.create_server(address[:2], family=family))
            except OSError as error:
                if error.errno not in _ABSENT:
                    raise
                absent = error
        if absent is not None and not opened:
            raise absent
    except OSError as error:
        for each in opened:
            each.close()
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise SyndicateError(
            f"cannot listen on {place}: {_reason(error)}; stop what uses it, or set another address in service.listen"
        ) from error
    return opened


def _reason(error: OSError) -> str:
    # create_server adds the address to what the system said; it is told already.
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error.strerror or error)
