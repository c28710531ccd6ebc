"""What the places are called where bounces arrive, in states, alarms and logs."""

from __future__ import annotations

from typing import Final

from syndicate.config import Settings

MAILDIR: Final = "maildir"
LMTP: Final = "lmtp"
_IMAP: Final = "imap/"


def imap_name(name: str) -> str:
    """Of ``[mailbox.NAME]``."""
    return f"{_IMAP}{name}"


def mailbox_of(name: str) -> str:
    """The reverse."""
    return name.removeprefix(_IMAP)


def is_configured(name: str, settings: Settings) -> bool:
    """Whether such a place is still wanted."""
    if name == MAILDIR:
        return settings.bounce.maildir is not None
    if name == LMTP:
        return settings.bounce.lmtp is not None
    return mailbox_of(name) in settings.mailbox
