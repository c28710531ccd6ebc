"""What a rule of the pre-flight says, and the list of all that can be said (docs/digests.md tells them to people)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from syndicate.errors import PreflightError


class Severity(StrEnum):
    """An error keeps the issue from going out; a warning does not; what is repaired needs nobody."""

    ERROR = "error"
    WARNING = "warning"
    REPAIRED = "repaired"


# Every code, and what to do about it.
CODES: Mapping[str, str] = {
    "active-content": "take it out of the template: mail programs run nothing, and filters distrust it",
    "contrast": "make the text darker or its ground lighter (WCAG 2.2, 1.4.3: at least 4.5, large text 3)",
    "control-characters": "take them out of the template; they come with texts pasted from other programs",
    "headings": "use one h1 for the title and let each level follow the one above it",
    "image-address": "give the full https address of the picture",
    "image-alt": 'give each picture an alt text, or alt="" if it says nothing',
    "image-data": "put the picture on the web and link to its address; mail programs block pictures inside the mail",
    "image-format": "use PNG, JPEG or GIF: mail programs do not show SVG",
    "image-size": "give width and height to the picture, so that nothing jumps and Outlook does not stretch it",
    "language": "set lang on the html element: {{ language }}",
    "link-dead": "mend the address in the article or take the link out",
    "link-empty": "give the link an address that begins with https:// or mailto:",
    "link-relative": "write addresses in full: in a mail there is no page for them to start from",
    "link-text": "put words into the link, or an alt text on its picture",
    "placeholder": "finish the text, or take the placeholder out",
    "postal-address": "set site.postal_address and keep it in the template: the law of many countries wants it",
    "shortened": "nothing; with a smaller max_items or shorter summaries it would not be needed",
    "size": "choose a smaller max_items, or make the template lighter",
    "subject-empty": "let the digest's subject give a text for every issue",
    "subject-long": "put what matters first, or let the subject be shorter: {{ top.title | truncate_text(50) }}",
    "subject-repeated": "put something of each issue into the subject: {{ top.title }}, {{ issue.date | date }}",
    "subject-reply": "begin with a word of your own: filters and readers take it for a trick",
    "text-empty": "let the .txt template print the articles: some people read nothing else",
    "text-markup": "print texts into the .txt template, not HTML: {{ article.text }}, {{ intro | text }}",
    "tracking-pixel": "take it out: it is blocked, counts machines, and needs the reader's consent in many countries",
    "unsubscribe-missing": "put {{ unsubscribe_url }} into both templates of the digest",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found: ``what`` and ``where`` in words; ``code`` is one of ``CODES``."""

    code: str
    severity: Severity
    what: str
    where: str

    @property
    def todo(self) -> str:
        """What to do about it."""
        return CODES[self.code]

    def document(self) -> dict[str, str]:
        """It as plain values."""
        return {
            "code": self.code,
            "severity": self.severity.value,
            "what": self.what,
            "where": self.where,
            "do": self.todo,
        }

    def __str__(self) -> str:
        return f"{self.where}: {self.what} ({self.code})"


def warning(code: str, what: str, where: str) -> Finding:
    """A finding that a person should look at."""
    return Finding(code=code, severity=Severity.WARNING, what=what, where=where)


def repaired(code: str, what: str, where: str) -> Finding:
    """A finding that was mended."""
    return Finding(code=code, severity=Severity.REPAIRED, what=what, where=where)


def error(code: str, what: str, where: str) -> Finding:
    """A finding that keeps the issue back."""
    return Finding(code=code, severity=Severity.ERROR, what=what, where=where)


def refuse(findings: Iterable[Finding], digest: str) -> None:
    """Raise PreflightError when one of the findings is an error."""
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        told = "; ".join(f"{finding} - {finding.todo}" for finding in errors)
        raise PreflightError(f"digest {digest} is not fit to be sent: {told}")
