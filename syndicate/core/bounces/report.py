"""What a message that came back says: its classes, and the shape that all readings of it have."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from syndicate.core.outcomes import BounceClass


class ReturnClass(StrEnum):
    """What a returned message is about. The first three are those of refusals (``core.outcomes.BounceClass``)."""

    HARD = "hard"  # the address does not exist or is closed
    SOFT = "soft"  # it may work another day
    BLOCK = "block"  # the sender's fault: never held against a reader
    COMPLAINT = "complaint"  # the reader pressed "this is spam"
    AUTOREPLY = "autoreply"  # a machine of the reader answers; nothing failed
    DELIVERED = "delivered"  # it arrived, or was relayed or read

    @classmethod
    def of(cls, bounce_class: BounceClass) -> ReturnClass:
        """The class of a refusal."""
        return cls(bounce_class.value)


class Action(StrEnum):
    """What became of the message, in the words of RFC 3464 2.3.3."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What is said of one recipient. ``recipient`` None: the message names nobody, a token must.

    ``status`` is an enhanced code (RFC 3463), ``code`` that of a reply, ``text`` one line of at most 500 characters.
    ``certain``: a report or a code says it; not only words of a letter.
    """

    recipient: str | None
    cls: ReturnClass
    action: Action | None = None
    status: str | None = None
    code: int | None = None
    text: str = ""
    certain: bool = True

    @property
    def final(self) -> bool:
        """Whether it is the last word on this delivery: a delay is not, and neither is an automatic answer."""
        return self.action is not Action.DELAYED and self.cls is not ReturnClass.AUTOREPLY
