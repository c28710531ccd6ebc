"""Mailboxes by IMAP, with a real Dovecot: only ours go, only after the commit, whatever breaks in between."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dovecot import PASSWORD, USER, Dovecot, require_dovecot, running_dovecot
from publisher import Publisher

from syndicate.config.returns import Mailbox
from syndicate.core.links import Purpose, sign_for_mail, tagged_address
from syndicate.errors import InboundError
from syndicate.io.imap import log_in, open_mailbox
from syndicate.pipeline.returns import Fate
from syndicate.service.inboxes import look_into_all
from syndicate.service.returns import ReturnsResult
from syndicate.service.status import read_status
from syndicate.service.wiring import Services
from syndicate.store.inboxes import inbox
from syndicate.store.suppressions import suppressions

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
FOREIGN = b"From: x@example.net\nTo: bounces@courier.example\nSubject: hello\n\nHow are you?\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    require_dovecot()
    with running_dovecot() as dovecot:
        yield dovecot


@pytest.fixture
def dovecot(server: Dovecot) -> Dovecot:
    for path in [*(server.mail / "new").iterdir(), *(server.mail / "cur").iterdir()]:
        path.unlink()
    return server


def config(dovecot: Dovecot, **other: object) -> str:
    keys = {
        "host": "127.0.0.1",
        "port": dovecot.tls_port,
        "tls_ca_file": str(dovecot.authority),
        "username": USER,
        "password": PASSWORD,
        **other,
    }
    lines = [f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}" for key, value in keys.items()]
    return "\n".join(["[mailbox.returns]", *lines])


class Site:
    def __init__(self, folder: Path, more: str) -> None:
        self.publisher = Publisher(folder, frequencies=("daily",), more=more).write()
        self.publisher.article("a")
        for command in (
            ["poll"],
            ["subscribers", "import", str(self.publisher.readers(3)), "--confirmed"],
            ["send", "morning"],
        ):
            self.publisher.run(*command)
        self.now = datetime.now(UTC)
        self.services: Services = self.publisher.services(lambda: self.now)

    def bounce(self, reader: int, words: str = "550 5.1.1 user unknown") -> bytes:
        to = tagged_address("bounces@courier.example", sign_for_mail(self.services.keyring, Purpose.BOUNCE, 1, reader))
        return (
            f"From: MAILER-DAEMON@mx.example\nTo: {to}\nContent-Type: multipart/report; boundary=b\n\n"
            f"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"
            f"Final-Recipient: rfc822; reader{reader - 1}@example.org\nAction: failed\nStatus: {words.split()[1]}\n"
            f"Diagnostic-Code: smtp; {words}\n\n--b--\n"
        ).encode()

    def look(self) -> ReturnsResult:
        self.now += timedelta(minutes=5)
        return look_into_all(self.services, stop=threading.Event())

    def listed(self) -> int:
        with self.services.database.read() as session:
            return len(suppressions(session))


@pytest.fixture
def site(tmp_path: Path, dovecot: Dovecot) -> Iterator[Site]:
    site = Site(tmp_path, config(dovecot))
    yield site
    site.publisher.close()


def test_ours_are_applied_and_deleted_others_stay_unread(site: Site, dovecot: Dovecot) -> None:
    dovecot.put("1", FOREIGN)
    dovecot.put("2", site.bounce(1))
    dovecot.put("3", FOREIGN)
    result = site.look()
    assert (result.read, result.suppressed, site.listed()) == (3, 1, 1)
    assert dovecot.left() == [FOREIGN, FOREIGN]
    assert not [path for path in (dovecot.mail / "cur").iterdir() if "S" in path.name.rpartition(",")[2]]
    assert site.look().read == 0  # what is not ours is looked at once
    dovecot.put("4", site.bounce(2))
    assert (site.look().read, site.listed()) == (1, 2)
    (shown,) = read_status(site.services).inboxes
    assert (shown.name, shown.applied, shown.error) == ("imap/returns", 2, None)


@pytest.mark.parametrize("tls_type", ["TLS", "STARTTLS", "none"])
def test_ours_are_moved_where_that_is_wanted(tmp_path: Path, dovecot: Dovecot, tls_type: str) -> None:
    port = dovecot.tls_port if tls_type == "TLS" else dovecot.port
    name = f"Erledigt & {tls_type} ü"
    site = Site(tmp_path, config(dovecot, move_to=name, tls_type=tls_type, port=port))
    reading = site.services.settings.mailbox["returns"]
    with open_mailbox("returns", reading, Path()) as mailbox:
        mailbox._connection.create(f'"Erledigt &- {tls_type} &APw-"')
    dovecot.put("1", site.bounce(1))
    dovecot.put("2", FOREIGN)
    assert site.look().suppressed == 1
    assert dovecot.left() == [FOREIGN]
    assert log_in("returns", reading.model_copy(update={"folder": name}), Path()) == 1
    site.publisher.close()


class Cutting:
    """A server in between that lets so many bytes through and hangs up, once."""

    def __init__(self, port: int, after: int) -> None:
        self._port, self._after = port, after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        inner, _ = self._listener.accept()
        outer = socket.create_connection(("127.0.0.1", self._port))
        threading.Thread(target=self._copy, args=(inner, outer), daemon=True).start()
        left = self._after
        while left > 0 and (data := outer.recv(min(left, 4096))):
            inner.sendall(data)
            left -= len(data)
        for each in (inner, outer):
            each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._listener.close()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(4096):
                target.sendall(data)
        except OSError:
            pass


@pytest.mark.parametrize("after", [10, 300, 1_500, 2_200, 2_800, 3_600])
def test_a_connection_that_dies_in_the_middle_loses_nothing(tmp_path: Path, dovecot: Dovecot, after: int) -> None:
    cutting = Cutting(dovecot.port, after)
    site = Site(tmp_path, config(dovecot, port=cutting.port, tls_type="none"))
    dovecot.put("0", FOREIGN)
    for reader in (1, 2, 3):
        dovecot.put(str(reader), site.bounce(reader))
    result = site.look()
    assert len(result.problems) == 1
    assert "returns" in result.problems[0]
    (shown,) = read_status(site.services).inboxes
    assert shown.error is not None
    site.now += timedelta(hours=2)
    assert any("bounces could not be read" in line for line in read_status(site.services).alarms)
    # The next look goes to the server itself.
    whole = site.services.settings.mailbox["returns"].model_copy(update={"port": dovecot.port})
    site.services.settings.mailbox["returns"] = whole
    after_all = site.look()
    assert after_all.problems == []
    assert (site.listed(), dovecot.left()) == (3, [FOREIGN])
    assert result.fates[Fate.APPLIED] + after_all.fates[Fate.APPLIED] == 3
    assert read_status(site.services).alarms == []
    site.publisher.close()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"password": "wrong"}, "AUTHENTICATIONFAILED"),
        ({"tls_ca_file": None}, "is not accepted"),
        ({"folder": "Nowhere"}, "it refused SELECT"),
        ({"port": 1}, "onnection refused"),
        ({"tls_type": "STARTTLS"}, "check host, port and tls_type"),
    ],
)
def test_what_is_wrong_is_told_without_the_password(dovecot: Dovecot, change: dict[str, object], told: str) -> None:
    keys = {
        "host": "127.0.0.1",
        "port": dovecot.tls_port,
        "tls_ca_file": dovecot.authority,
        "username": USER,
        "password": PASSWORD,
        "timeout": timedelta(seconds=5),
    }
    with pytest.raises(InboundError, match=told) as caught:
        log_in("returns", Mailbox.model_validate(keys | change), Path())
    assert PASSWORD not in str(caught.value)


def test_a_mailbox_of_a_hundred_thousand_messages(site: Site, dovecot: Dovecot) -> None:
    ours = {17: 1, 50_000: 2, 99_999: 3}
    for number in range(100_000):
        data = site.bounce(ours[number]) if number in ours else FOREIGN
        dovecot.put(f"{number:06}", data)
    result = site.look()
    assert (result.read, site.listed()) == (100_000, 3)
    assert log_in("returns", site.services.settings.mailbox["returns"], Path()) == 99_997
    with site.services.database.read() as session:
        assert inbox(session, "imap/returns").uid == 100_000 + _others(site, dovecot)
    assert site.look().read == 0


def _others(site: Site, dovecot: Dovecot) -> int:
    """How many messages the mailbox had before, in other tests: their numbers are never given again."""
    with open_mailbox("returns", site.services.settings.mailbox["returns"], Path()) as mailbox:
        return mailbox.above(0)[0] - 1
