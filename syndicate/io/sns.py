"""What is asked of Amazon's SNS: the certificate that signed a message, and the confirmation of a subscription.

The addresses were found to be Amazon's before (``core/hooks/sns.py``); no redirect leads elsewhere.
"""

from __future__ import annotations

from functools import lru_cache

from syndicate.errors import FetchError
from syndicate.io.guard import Limits, fetch

_LIMITS = Limits(seconds=15.0, body_bytes=100_000, redirects=0)
_OK = 200


class AmazonSns:
    """The real one; tests pass another that has the same two."""

    def certificate(self, url: str) -> bytes:
        """The PEM at an address; kept, since a certificate's name changes with it. Raises FetchError."""
        return _certificate(url)

    def confirm(self, url: str) -> None:
        """Say yes to a subscription. Raises FetchError."""
        status = fetch(url, limits=_LIMITS).status
        if status != _OK:
            raise FetchError(f"Amazon answered {status} to the confirmation")


@lru_cache(maxsize=16)
def _certificate(url: str) -> bytes:
    answer = fetch(url, limits=_LIMITS)
    if answer.status != _OK:
        raise FetchError(f"Amazon answered {answer.status} for a certificate")
    return answer.body
