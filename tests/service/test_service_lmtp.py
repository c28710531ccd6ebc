"""Bounces by LMTP: taken after the commit, refused for others, kept by the mail server while we cannot."""

from __future__ import annotations

import smtplib
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dovecot import free_port
from postfix import ScriptedServer, require_postfix, running_postfix
from publisher import Publisher
from smtp_server import HOST
from sqlalchemy import text

from syndicate.core.links import Purpose, sign_for_mail, tagged_address
from syndicate.errors import InboundError
from syndicate.io.lmtp import LARGEST
from syndicate.service.lmtp import LmtpPart
from syndicate.service.status import read_status
from syndicate.service.wiring import Services
from syndicate.store.suppressions import suppressions


class Site:
    def __init__(self, folder: Path, place: str) -> None:
        self.publisher = Publisher(folder, frequencies=("daily",))
        self.publisher.more = f'lmtp = "{place}"'
        self.publisher.write()
        self.publisher.article("a")
        for command in (
            ["poll"],
            ["subscribers", "import", str(self.publisher.readers(2)), "--confirmed"],
            ["send", "morning"],
        ):
            self.publisher.run(*command)
        self.services: Services = self.publisher.services(lambda: datetime.now(UTC))
        self.part = LmtpPart(self.services)
        self.part.start()

    def address(self, reader: int) -> str:
        return tagged_address(
            "bounces@courier.example", sign_for_mail(self.services.keyring, Purpose.BOUNCE, 1, reader)
        )

    def listed(self) -> int:
        with self.services.database.read() as session:
            return len(suppressions(session))

    def close(self) -> None:
        assert self.part.close(5)
        self.publisher.close()


REPORT = (
    b"From: MAILER-DAEMON@mx.example\r\nContent-Type: multipart/report; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
    b"Final-Recipient: rfc822; reader0@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    b"Diagnostic-Code: smtp; 550 5.1.1 user unknown\r\n\r\n--b--\r\n"
)


@pytest.fixture(params=["port", "socket"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, f"{HOST}:0" if request.param == "port" else "unix:lmtp.sock")
    yield site
    site.close()


def connect(site: Site) -> smtplib.LMTP:
    path = site.part.listener.place.removeprefix("unix:")
    if path.startswith("/"):
        return smtplib.LMTP(path)
    return smtplib.LMTP(HOST, site.part.listener.port, timeout=30)


def test_a_bounce_is_applied_before_it_is_answered(site: Site) -> None:
    with connect(site) as connection:
        assert connection.sendmail("", [site.address(1)], REPORT) == {}
        assert site.listed() == 1
        assert connection.sendmail("", [site.address(1)], REPORT) == {}  # again: harmless
    assert site.listed() == 1
    (shown,) = read_status(site.services).inboxes
    assert (shown.name, shown.applied) == ("lmtp", 1)


def test_mail_to_others_is_refused_and_letters_are_not_answered(site: Site) -> None:
    with connect(site) as connection:
        for wrong in ("news@courier.example", "bounces@elsewhere.example", "bouncesx@courier.example"):
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                connection.sendmail("", [wrong], REPORT)
        refused = connection.sendmail("", [site.address(1), site.address(2)], REPORT)
        assert [code for code, _ in refused.values()] == [452]
        assert connection.sendmail("", ["bounces@courier.example"], b"Subject: hello\r\n\r\nx\r\n") == {}


def test_what_is_too_large_is_refused(site: Site) -> None:
    with connect(site) as connection:
        connection.ehlo_or_helo_if_needed()
        code, words = connection.mail("", [f"SIZE={LARGEST + 1}"])
        assert (code, words[:5]) == (552, b"Error")


def test_while_the_database_is_away_the_mail_server_keeps_it(site: Site) -> None:
    with site.services.database.write() as session:
        session.connection().execute(text("ALTER TABLE bounces RENAME TO bounces_away"))
    with connect(site) as connection:
        connection.ehlo_or_helo_if_needed()
        connection.mail("")
        connection.rcpt(site.address(1))
        connection.putcmd("data")
        assert connection.getreply()[0] == 354
        connection.send(REPORT + b".\r\n")
        assert connection.getreply()[0] == 451
    with site.services.database.write() as session:
        session.connection().execute(text("ALTER TABLE bounces_away RENAME TO bounces"))
    with connect(site) as connection:
        assert connection.sendmail("", [site.address(1)], REPORT) == {}
    assert site.listed() == 1


def test_a_place_that_is_taken_is_told(tmp_path: Path) -> None:
    site = Site(tmp_path, f"{HOST}:0")
    again = LmtpPart(site.services)
    again.listener.place = f"{HOST}:{site.part.listener.port}"
    with pytest.raises(InboundError, match="cannot listen"):
        again.start()
    site.close()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_real_postfix_hands_its_own_report_over(tmp_path: Path) -> None:
    require_postfix()
    site = Site(tmp_path, f"{HOST}:0")
    with ScriptedServer({"reader0": ("RCPT", "550 5.1.1 user unknown")}) as server:
        transport = {
            "example.org": f"smtp:[{HOST}]:{server.port}",
            "courier.example": f"lmtp:inet:{HOST}:{site.part.listener.port}",
        }
        with running_postfix(transport, free_port()) as postfix:
            with smtplib.SMTP(HOST, postfix.port, timeout=60) as connection:
                connection.sendmail(
                    site.address(1), ["reader0@example.org"], b"Subject: Morning Courier\r\n\r\nTides\r\n"
                )
            deadline = time.monotonic() + 120
            while not site.listed() and time.monotonic() < deadline:
                threading.Event().wait(0.2)
            log = postfix.log.read_text()
    assert site.listed() == 1, log
    site.close()
