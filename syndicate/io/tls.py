"""How the certificates of mail servers and mailboxes are judged."""

from __future__ import annotations

import ssl
from pathlib import Path


def judging_context(authority: Path | None, *, skip_verify: bool) -> ssl.SSLContext:
    """TLS 1.2 or newer, by the machine's authorities or by those of this file; nobody is asked with ``skip_verify``.

    Raises OSError when the file cannot be used.
    """
    context = ssl.create_default_context(cafile=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
