"""The dead-man alarm: asks an address as long as all is well; who waits there raises the alarm when it stops."""

from __future__ import annotations

import logging

import httpx

from syndicate import __version__

# httpx logs every address it asks at INFO, with path and query; httpcore at DEBUG.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


def ping(url: str, timeout: float = 10) -> str | None:
    """Ask the address (GET) within ``timeout`` seconds for each step; None when it answered 2xx, else what was wrong.

    The path and query of such an address are its secret: the text names the host alone. Redirects are not followed.
    """
    try:
        parsed = httpx.URL(url)
        where = parsed.host or "the address"
        # Streamed and not read: only the status counts, and nobody says how much would come.
        with httpx.stream(
            "GET", parsed, timeout=timeout, follow_redirects=False, headers={"User-Agent": f"syndicate/{__version__}"}
        ) as response:
            if response.is_success:
                return None
            return f"{where} answered {response.status_code} {response.reason_phrase}".rstrip()
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        return "not an address that can be asked; expected https://…"
    except httpx.TimeoutException:
        return f"{where} did not answer within {timeout:g} s"
    except httpx.HTTPError as error:
        return f"{where} cannot be reached: {type(error).__name__}"
