"""One connection to a relay, for one thread: the dialogue of each message, and what every break of it means.

Where the relay offers PIPELINING (RFC 2920) a message's commands leave in one write, and those of the next one ride
with its data: one wait for each message. Commands and data are made in ``core/transaction.py``, replies are judged in
``core/outcomes.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from syndicate.config.sections import Relay
from syndicate.core.outcomes import (
    CLOSING,
    Stage,
    goes_on,
    outcome_of_break,
    outcome_of_cut,
    outcome_of_reply,
)
from syndicate.core.replies import MalformedReplyError, Reply, enhanced_code
from syndicate.core.transaction import DATA, FINAL_DOT, Transaction, transaction_of
from syndicate.errors import RelayError
from syndicate.io.dialogue import Steps, Wait, drive
from syndicate.io.smtp_opening import cause_of
from syndicate.io.smtp_session import Session
from syndicate.model import Envelope, Outcome

# What breaks a dialogue: the network, or a reply that is none.
_BREAKS = (OSError, MalformedReplyError)
_RESET = b"RSET\r\n"
# So many pipelined dialogues that end in the middle, one after the other, are no accident any more.
_BREAKS_ALLOWED = 3


@dataclass(slots=True)
class Pipelining:
    """Whether a relay that offers PIPELINING can do it: there are proxies that pass the offer on and lose commands."""

    trusted: bool = True
    breaks: int = 0

    def broke(self, error: Exception) -> bool:
        """Hear of a pipelined dialogue that broke among its commands. True when it shall be tried again without."""
        self.breaks += 1
        if isinstance(error, ConnectionError) and self.breaks < _BREAKS_ALLOWED:
            return False  # a server may go away at any time
        self.trusted = False
        return True


class SmtpConnection:
    """Sends message after message; see ``SmtpSender.connect``."""

    def __init__(self, relay: Relay, open_session: Callable[[], Session], pipelining: Pipelining) -> None:
        self._relay = relay
        self._label = relay.label
        self._open_session = open_session
        self._pipelining = pipelining
        self._idle_limit = relay.idle_timeout.total_seconds()
        self._start()

    def open(self) -> None:
        """Open a new session in place of the one before. Raises RelayError."""
        self.close()
        self._start()

    def _start(self) -> None:
        self._session = self._open_session()
        self._begun = 0
        self._needs_reset = False
        self._used_at = time.monotonic()
        # The message whose commands have left with the data of the one before; nothing of its own data has.
        self._announced: tuple[Envelope, Transaction] | None = None

    @property
    def usable(self) -> bool:
        """Whether another message may be sent as it stands: open, not used up, not idle for too long, not ended."""
        return (
            self._session.open
            and (self._announced is not None or self._begun < self._relay.messages_per_connection)
            and time.monotonic() - self._used_at < self._idle_limit
            and (self._announced is not None or self._session.silent)
        )

    @property
    def patience(self) -> float:
        return self._session.patience

    def fileno(self) -> int:
        return self._session.fileno()

    def send(self, envelope: Envelope, following: Envelope | None = None) -> Outcome:
        """Lead the dialogue of one message to its end; see ``steps``."""
        return drive(self, self.steps(envelope, following))

    def steps(self, envelope: Envelope, following: Envelope | None = None) -> Steps[Outcome]:
        """Send one message and say what became of it.

        ``following`` is what will be sent next, if it is known: its commands may leave with this message's data. Raises
        RelayError when the relay as a whole does not work; then nothing of this message's data has left. A connection
        that is not usable is opened anew.
        """
        announced = self._announced
        session = self._session
        if announced is not None and announced[0] is envelope and session.consented():
            # The usual way of a message whose commands rode with the data of the one before.
            self._announced = None
            try:
                outcome: Outcome | None = yield from self._send_data(announced[1].data, following)
            except BaseException:
                session.end(politely=False)
                raise
            self._used_at = time.monotonic()
            assert outcome is not None  # noqa: S101 - for mypy
            return outcome
        # What was announced and is not sent now cannot be taken back but by ending the session.
        if announced[0] is not envelope if announced is not None else not self.usable:
            yield Wait.OPEN
        # At most twice: a session cannot end between two messages before its first one, and trust is lost once.
        while (outcome := (yield from self._try(envelope, following))) is None:
            yield Wait.OPEN
        return outcome

    def close(self) -> None:
        """End the session politely; never raises."""
        self._session.end(politely=self._announced is None)
        self._announced = None

    def _try(self, envelope: Envelope, following: Envelope | None) -> Steps[Outcome | None]:
        """One attempt; None when the session ended for a reason that is no matter of this message."""
        announced, self._announced = self._announced, None
        if announced is not None:
            transaction: Transaction | Outcome = announced[1]
        else:
            transaction = transaction_of(envelope, self._session.offers, relay=self._label)
            if isinstance(transaction, Outcome):
                return transaction
            self._begun += 1
        assert isinstance(transaction, Transaction)  # noqa: S101 - for mypy
        try:
            outcome = yield from self._converse(transaction, following, announced=announced is not None)
        except BaseException:
            self._session.end(politely=False)
            raise
        self._used_at = time.monotonic()
        return outcome

    def _converse(
        self, transaction: Transaction, following: Envelope | None, *, announced: bool
    ) -> Steps[Outcome | None]:
        session = self._session
        fresh = self._begun == 1
        grouped = announced or (session.offers.pipelining and self._pipelining.trusted)
        stage = Stage.MAIL
        try:
            if not announced:
                if grouped:
                    yield from session.write(self._group(transaction))
                if self._needs_reset and not (yield from self._reset(written=grouped)):
                    return None
            for stage, command in transaction.commands:
                reply = yield from (session.read_reply() if grouped else session.exchange(command))
                if not goes_on(reply.code, stage):
                    return (yield from self._refused(reply, stage, fresh=fresh, grouped=grouped))
        except _BREAKS as error:
            session.end(politely=False)
            if grouped and (stage is not Stage.MAIL or announced) and self._pipelining.broke(error):
                return None
            if stage is Stage.MAIL and not fresh and isinstance(error, ConnectionError):
                return None
            return outcome_of_break(cause_of(error), relay=self._label, stage=stage)
        return (yield from self._send_data(transaction.data, following))

    def _group(self, transaction: Transaction) -> bytes:
        reset = _RESET if self._needs_reset else b""
        return b"".join((reset, transaction.mail, transaction.rcpt, DATA))

    def _reset(self, *, written: bool) -> Steps[bool]:
        """After a refusal, before the next message (RFC 5321 4.1.1.5). When it fails, a new session does the same."""
        with suppress(*_BREAKS):
            reply = yield from (self._session.read_reply() if written else self._session.exchange(_RESET))
            if goes_on(reply.code, Stage.MAIL):
                self._needs_reset = False
                return True
        self._session.end(politely=False)
        return False

    def _refused(self, reply: Reply, stage: Stage, *, fresh: bool, grouped: bool) -> Steps[Outcome | None]:
        outcome = outcome_of_reply(reply.code, reply.text, relay=self._label, stage=stage)
        if reply.code == CLOSING:
            self._session.end(politely=False)
            # "Enough messages for one connection", "idle for too long": a new connection will do. 4.7.x is about us.
            if stage is Stage.MAIL and not fresh and not (enhanced_code(reply.text) or "").startswith("4.7."):
                return None
        elif reply.code // 100 in (4, 5):
            self._needs_reset = True
            if grouped:
                yield from self._hear_out(stage)
        else:  # a reply that has no place here: who knows what the next one answers
            self._session.end(politely=False)
        return outcome

    def _hear_out(self, refused: Stage) -> Steps[None]:
        """Read the answers to the commands that left together with the refused one (RFC 2920 3.1)."""
        session = self._session
        try:
            taken = refused is Stage.MAIL and goes_on((yield from session.read_reply()).code, Stage.RCPT)
            if refused is not Stage.DATA and goes_on((yield from session.read_reply()).code, Stage.DATA):
                if taken or refused is Stage.MAIL:
                    # It would take a message that it has refused: better none than one that nobody asked for.
                    session.end(politely=False)
                else:
                    # It waits for the data of a message to nobody, and gets one without any.
                    yield from session.exchange(FINAL_DOT)
        except _BREAKS as error:
            self._pipelining.broke(error)
            self._session.end(politely=False)

    def _send_data(self, data: bytes, following: Envelope | None) -> Steps[Outcome]:
        ahead = self._ahead(following)
        group = (ahead[1].mail, ahead[1].rcpt, DATA) if ahead is not None else ()
        session = self._session
        out = False
        try:
            if session.encrypted and group:
                # TLS does not tell how much of a write has left, so what must be told apart is written apart.
                yield from session.write(data + FINAL_DOT)
                out = True
                yield from session.write(b"".join(group))
            else:
                octets = b"".join((data, FINAL_DOT, *group))
                if not session.write_now(octets):
                    yield from session.write_rest(octets)
        except MalformedReplyError as error:
            session.end(politely=False)
            return outcome_of_break(cause_of(error), relay=self._label, stage=Stage.DATA)
        except OSError as error:
            if not out and session.left < len(data) + len(FINAL_DOT):
                return (yield from self._cut(error))
            ahead = None  # the message is out, the commands behind it are not
        if ahead is not None:
            self._announced = ahead
            self._begun += 1
        return (yield from self._answer())

    def _ahead(self, following: Envelope | None) -> tuple[Envelope, Transaction] | None:
        """The next message, if its commands may leave with the data of this one."""
        if (
            following is None
            or not self._session.offers.pipelining
            or not self._pipelining.trusted
            or self._begun >= self._relay.messages_per_connection
        ):
            return None
        try:
            transaction = transaction_of(following, self._session.offers, relay=self._label)
        except RelayError:  # said again when it is its turn
            return None
        return None if isinstance(transaction, Outcome) else (following, transaction)

    def _cut(self, error: OSError) -> Steps[Outcome]:
        word = yield from self._session.last_word()
        self._session.end(politely=False)
        if word is not None and word.code // 100 in (4, 5):
            return outcome_of_reply(word.code, word.text, relay=self._label, stage=Stage.MESSAGE)
        return outcome_of_cut(cause_of(error), relay=self._label)

    def _answer(self) -> Steps[Outcome]:
        """The answer that counts: from here on, silence leaves the delivery in doubt."""
        try:
            reply = yield from self._session.read_reply()
        except _BREAKS as error:
            self._drop()
            return outcome_of_break(cause_of(error), relay=self._label, stage=Stage.MESSAGE)
        if reply.code == CLOSING or reply.code // 100 not in (2, 4, 5):
            self._drop()
        elif not goes_on(reply.code, Stage.MESSAGE):
            self._needs_reset = self._announced is None
        else:
            self._pipelining.breaks = 0
        return outcome_of_reply(reply.code, reply.text, relay=self._label, stage=Stage.MESSAGE)

    def _drop(self) -> None:
        self._session.end(politely=False)
        self._announced = None
