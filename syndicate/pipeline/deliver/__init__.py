"""Deliver what is on the ledger: take, send, record; nothing lost, nothing twice."""

from syndicate.pipeline.deliver.batch import deliver_batch
from syndicate.pipeline.deliver.confirmations import send_confirmations
from syndicate.pipeline.deliver.delivering import DeliverResult, deliver
from syndicate.pipeline.deliver.parking import ParkingSender
from syndicate.pipeline.deliver.protocols import Connection, Sender
from syndicate.pipeline.deliver.request import Holder, LostHoldError
from syndicate.pipeline.deliver.settling import Rules
from syndicate.pipeline.deliver.tending import tend

__all__ = [
    "Connection",
    "DeliverResult",
    "Holder",
    "LostHoldError",
    "ParkingSender",
    "Rules",
    "Sender",
    "deliver",
    "deliver_batch",
    "send_confirmations",
    "tend",
]
