"""One connection to a relay, for one thread: the dialogue of each message, and what every break of it means.

Commands and data are made in ``core/transaction.py``, replies are judged in ``core/outcomes.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

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
from syndicate.core.transaction import Transaction, transaction_of
from syndicate.io.smtp_opening import cause_of
from syndicate.io.smtp_session import Session
from syndicate.model import Envelope, Outcome

# What breaks a dialogue: the network, or a reply that is none.
_BREAKS = (OSError, MalformedReplyError)


class SmtpConnection:
    """Sends message after message; see ``SmtpSender.connect``."""

    def __init__(self, relay: Relay, open_session: Callable[[], Session]) -> None:
        self._relay = relay
        self._label = relay.label
        self._open_session = open_session
        self._idle_limit = relay.idle_timeout.total_seconds()
        self._start()

    def _start(self) -> None:
        self._session = self._open_session()
        self._begun = 0
        self._needs_reset = False
        self._used_at = time.monotonic()

    @property
    def usable(self) -> bool:
        """Whether another message may be sent as it stands: open, not used up, not idle for too long, not ended."""
        return (
            self._session.open
            and self._begun < self._relay.messages_per_connection
            and time.monotonic() - self._used_at < self._idle_limit
            and self._session.silent
        )

    def send(self, envelope: Envelope) -> Outcome:
        """Send one message and say what became of it.

        Raises RelayError when the relay as a whole does not work; then nothing of this message's data has left. A
        connection that is not usable is opened anew.
        """
        if not self.usable:
            self.close()
            self._start()
        while (outcome := self._try(envelope)) is None:
            self._start()  # once: a session cannot end between two messages before its first one
        return outcome

    def close(self) -> None:
        """End the session politely; never raises."""
        self._session.end(politely=True)

    def _try(self, envelope: Envelope) -> Outcome | None:
        """One attempt; None when the relay ended the session between two messages, which is no matter of this one."""
        transaction = transaction_of(envelope, self._session.offers, relay=self._label)
        if isinstance(transaction, Outcome):
            return transaction
        fresh = self._begun == 0
        self._begun += 1
        try:
            outcome = self._converse(transaction, fresh=fresh)
        except BaseException:
            self._session.end(politely=False)
            raise
        self._used_at = time.monotonic()
        return outcome

    def _converse(self, transaction: Transaction, *, fresh: bool) -> Outcome | None:
        if self._needs_reset and not self._reset():
            return None
        stage = Stage.MAIL
        try:
            for stage, command in transaction.commands:
                reply = self._session.exchange(command)
                if not goes_on(reply.code, stage):
                    return self._refused(reply, stage, fresh=fresh)
        except _BREAKS as error:
            self._session.end(politely=False)
            if stage is Stage.MAIL and not fresh and isinstance(error, ConnectionError):
                return None
            return outcome_of_break(cause_of(error), relay=self._label, stage=stage)
        try:
            self._session.write(transaction.data)
        except OSError as error:
            return self._cut(error)
        return self._answer()

    def _reset(self) -> bool:
        """After a refusal, before the next message (RFC 5321 4.1.1.5). When it fails, a new session does the same."""
        with suppress(*_BREAKS):
            if goes_on(self._session.exchange(b"RSET\r\n").code, Stage.MAIL):
                self._needs_reset = False
                return True
        self._session.end(politely=False)
        return False

    def _refused(self, reply: Reply, stage: Stage, *, fresh: bool) -> Outcome | None:
        outcome = outcome_of_reply(reply.code, reply.text, relay=self._label, stage=stage)
        if reply.code == CLOSING:
            self._session.end(politely=False)
            # "Enough messages for one connection", "idle for too long": a new connection will do. 4.7.x is about us.
            if stage is Stage.MAIL and not fresh and not (enhanced_code(reply.text) or "").startswith("4.7."):
                return None
        elif reply.code // 100 in (4, 5):
            self._needs_reset = True
        else:  # a reply that has no place here: who knows what the next one answers
            self._session.end(politely=False)
        return outcome

    def _cut(self, error: OSError) -> Outcome:
        word = self._session.last_word()
        self._session.end(politely=False)
        if word is not None and word.code // 100 in (4, 5):
            return outcome_of_reply(word.code, word.text, relay=self._label, stage=Stage.MESSAGE)
        return outcome_of_cut(cause_of(error), relay=self._label)

    def _answer(self) -> Outcome:
        """The answer that counts: from here on, silence leaves the delivery in doubt."""
        try:
            reply = self._session.read_reply()
        except _BREAKS as error:
            self._session.end(politely=False)
            return outcome_of_break(cause_of(error), relay=self._label, stage=Stage.MESSAGE)
        if reply.code == CLOSING or reply.code // 100 not in (2, 4, 5):
            self._session.end(politely=False)
        elif not goes_on(reply.code, Stage.MESSAGE):
            self._needs_reset = True
        return outcome_of_reply(reply.code, reply.text, relay=self._label, stage=Stage.MESSAGE)
