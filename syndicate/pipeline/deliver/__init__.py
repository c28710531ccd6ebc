"""Deliver what is on the ledger: take, send, record; nothing lost, nothing twice."""

from syndicate.pipeline.deliver.confirmations import send_confirmations
from syndicate.pipeline.deliver.delivering import DeliverResult, deliver
from syndicate.pipeline.deliver.ledger import Holder
from syndicate.pipeline.deliver.protocols import Connection, Sender
from syndicate.pipeline.deliver.settling import Rules

__all__ = ["Connection", "DeliverResult", "Holder", "Rules", "Sender", "deliver", "send_confirmations"]
