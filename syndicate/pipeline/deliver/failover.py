"""Several relays as one, for mail that goes message by message: the first that works takes it."""

from __future__ import annotations

from collections.abc import Sequence

from syndicate.errors import RelayError
from syndicate.pipeline.deliver.protocols import Connection, Sender


class FirstThatWorks:
    """A ``Sender`` for confirmation mails and trials; weights and limits are for digests."""

    connections = 1
    takes_turns = False
    weight = 1

    def __init__(self, senders: Sequence[Sender]) -> None:
        self._senders = senders
        self.label = senders[0].label

    def connect(self) -> Connection:
        """Open a connection. Raises the RelayError of the first relay when none works."""
        refusals = []
        for sender in self._senders:
            try:
                return sender.connect()
            except RelayError as error:
                refusals.append(error)
        raise refusals[0]
