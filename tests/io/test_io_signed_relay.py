"""Signatures outlive a real relay that hands over to a server of the oldest kind: without 8BITMIME, without anything."""

from __future__ import annotations

import socket
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mail_pages import TEMPLATES, issue
from mail_samples import NONCE, VALUES, message, shipped_templates
from postfix import require_postfix, running_postfix
from signatures import signer, verdicts
from smtp_faults import FaultServer
from smtp_server import HOST, relay_to

from syndicate.core.render.edition import render_edition
from syndicate.io.smtp import senders_over
from syndicate.model import Envelope

pytestmark = pytest.mark.slow

AT = datetime(2026, 11, 22, 7, 30, tzinfo=UTC)
MIXED = "cafe\u0301 \u4e2d\u6587"


def free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


def test_a_relay_without_8bitmime_behind_postfix_changes_nothing_that_is_signed() -> None:
    require_postfix()
    mails = {}
    for place, template in enumerate(TEMPLATES):
        made = issue(template, "ja")
        values = VALUES | {
            "recipient.name": MIXED,
            "recipient.email": f"zoe{place}@reader.example",
            "message_id": f"{place}.abcdefghij@courier.example",
        }
        texts = render_edition(shipped_templates(), made, NONCE)
        mails[values["recipient.email"]] = signer()(message(texts, values, digest_title=made.digest_title), AT)
    port = free_port()
    with (
        FaultServer(features=()) as old,
        running_postfix({"reader.example": f"smtp:[{HOST}]:{old.port}"}, port),
    ):
        (sender,) = senders_over([relay_to(port)], "mail.courier.example", base=Path())
        connection = sender.connect()
        for address, data in mails.items():
            outcome = connection.send(Envelope("bounces@courier.example", address, data))
            assert outcome.code == 250, outcome
        connection.close()
        deadline = time.monotonic() + 60
        while len(old.seen.messages) < len(mails) and time.monotonic() < deadline:
            time.sleep(0.1)
    assert len(old.seen.messages) == len(mails)
    for arrived in old.seen.messages:
        assert arrived.startswith(b"Received: "), "it went through Postfix"
        assert b"8bit" not in arrived.partition(b"\r\n\r\n")[0]
        assert verdicts(arrived) == [True, True]
