"""What a certificate of TLS says, as far as an operator must know, and how long it still holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from syndicate.core.doctor.finding import Finding, Judge

_SOON = 14  # days: those of Let's Encrypt are renewed with 30 left


@dataclass(frozen=True, slots=True)
class Certificate:
    """The names it is for, who issued it, and its end."""

    names: tuple[str, ...]
    issuer: str
    ends_at: datetime

    def days_left(self, now: datetime) -> int:
        """Whole days until its end; negative when it is over."""
        return (self.ends_at - now).days

    def __str__(self) -> str:
        names = ", ".join(self.names[:3]) + (" …" if self.names[3:] else "")
        return f"for {names or 'no name'}, from {self.issuer or 'nobody'}, until {self.ends_at:%Y-%m-%d}"


def judge_end(judge: Judge, certificate: Certificate, now: datetime) -> Iterator[Finding]:
    """Whether a certificate ends soon."""
    days = certificate.days_left(now)
    if days < _SOON:
        yield judge.warning(
            f"{judge.group}.certificate_ends",
            f"its certificate ends in {days} days ({certificate.ends_at:%Y-%m-%d})" if days > 0 else
            "its certificate ends within a day" if days == 0 else "its certificate has ended",
            "renew it, and see why that did not happen by itself",
        )  # fmt: skip
