"""Every exception of Syndicate, with one root. Messages say what happened, to which thing, and what to do.

Expected failures inside the pipeline are values (see ``model.py``); these are for what stops a command or a stage.
Exit statuses and HTTP statuses are mapped in ``cli/`` and ``web/``, not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class SyndicateError(Exception):
    """The root of all errors that an operator can understand and mend."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a configuration: where it stands and what was expected.

    ``severity`` is ``error`` (the program does not start) or ``warning`` (it starts; the key does less than one may
    think).
    """

    where: str
    key: str
    message: str
    severity: str = "error"

    def __str__(self) -> str:
        place = f"{self.where}: {self.key}" if self.key else self.where
        return f"{place}: {self.message}"


class ConfigError(SyndicateError):
    """The configuration cannot be used; carries every problem found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{count} problem{'s' if count != 1 else ''} in the configuration:"
        super().__init__("\n".join([head, *(f"  {problem}" for problem in self.problems)]))


class UsageError(SyndicateError):
    """The command was called with arguments that make no sense together."""


class UnknownNameError(SyndicateError):
    """A digest, feed, source, issue or subscriber of that name does not exist."""


class SourceError(SyndicateError):
    """A whole source could not be read; its last good state stays."""


class ArticleError(SyndicateError):
    """One article of a source cannot be taken; the others can."""


class TemplateError(SyndicateError):
    """A template does not compile, or uses what it may not; names file and line."""

    def __init__(self, message: str, *, name: str, line: int | None = None) -> None:
        self.name = name
        self.line = line
        super().__init__(f"template {name}{f', line {line}' if line else ''}: {message}")


class PreflightError(SyndicateError):
    """An edition is not fit to be sent: a rule of the pre-flight that cannot be mended says no."""


class FeedError(SyndicateError):
    """A feed document could not be built or written; the last good one stays in place."""


class FetchError(SyndicateError):
    """An address on the web gave no usable answer: no such host, refused, too slow, too large, broken."""


class RefusedAddressError(FetchError):
    """An address that somebody else named and that must not be asked: a private network, an odd port."""


class HubFullError(SyndicateError):
    """Our WebSub hub takes in no more requests for now."""


class AddressError(SyndicateError):
    """A text is not an e-mail address that mail can be sent to."""


class HeaderError(SyndicateError):
    """A value cannot stand in a mail header: a line break, a control character, no URI."""


class SuppressedError(SyndicateError):
    """The address, or its domain, is on the suppression list."""


class TokenError(SyndicateError):
    """A link's token is altered, expired, or made for another purpose."""


class ExpiredTokenError(TokenError):
    """A genuine link whose time is over; ask for a new one."""


class KeyFileError(SyndicateError):
    """A key file (``secret.key``, a key of ``[dkim]``) cannot be read, is no such key, or cannot be made."""


class TransitionError(SyndicateError):
    """A state does not allow what was asked (for example: resume an issue that is finished)."""


class PrunedError(SyndicateError):
    """What was asked for was kept for its time and let go since."""


class StoreError(SyndicateError):
    """The database refused or could not be reached."""


class StoreBusyError(StoreError):
    """Another process holds the database's write lock for longer than we wait."""


class StoreConflictError(StoreError):
    """Another transaction changed what this one was about to change (PostgreSQL 40001, 40P01); try it again."""


class SchemaError(StoreError):
    """The database's schema is not the one this version works with."""


class LedgerError(StoreError):
    """The ledger does not balance: nothing was composed, or an issue was paused. A fault of the program: report it."""


class DiskFullError(SyndicateError):
    """Too little free disk to go on without risk for the ledger or the documents."""


class RelayError(SyndicateError):
    """A mail server as a whole does not work (refused, wrong certificate, log-in refused); no recipient is at fault."""


class InboundError(SyndicateError):
    """Mail that came in could not be read: no such file or folder, no permission."""


class HookRefusedError(SyndicateError):
    """A call of a provider's webhook is not believed: unsigned, altered, too old, or of another topic."""


class ReplayedHookError(HookRefusedError):
    """A call of a provider's webhook that was taken before."""


class BackupError(SyndicateError):
    """A backup could not be written or read."""
