"""Sessions that send nothing, with real relays: one that is as it should be, and those that are not."""

from __future__ import annotations

import socket
import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from smtp_faults import FaultServer, Silence, say
from smtp_server import HOST, Authority, RecordingServer, relay_to

from syndicate.config.sections import Relay
from syndicate.core.doctor.relay import RelayFacts
from syndicate.io.relay_trial import try_relay

SENDER = "bounces@courier.example"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def trusted(authority: Authority, tmp_path: Path) -> Path:
    return authority.file(tmp_path)


def tried(relay: Relay, **settings: Any) -> RelayFacts:
    return try_relay(relay, "mail.courier.example", base=Path(), sender=SENDER, **settings)


@pytest.mark.parametrize("tls", ["STARTTLS", "TLS"])
def test_all_is_well(authority: Authority, trusted: Path, tls: Literal["STARTTLS", "TLS"]) -> None:
    users = {"news": "lantern"}
    with RecordingServer(tls=tls, context=authority.server(), users=users) as server:
        facts = tried(server.relay(tls_ca_file=trusted, username="news", password="lantern"))
    assert facts.error == facts.refused_sender == ""
    assert facts.version == "TLSv1.3"
    assert facts.certificate is not None
    assert facts.certificate.names == (HOST,)
    assert facts.logged_in
    assert {"SIZE", "8BITMIME", "SMTPUTF8"} <= set(facts.offers)
    assert server.messages == []


def test_in_the_clear_and_what_is_offered() -> None:
    with FaultServer(features=["PIPELINING", "SIZE 33554432", "CHUNKING"]) as server:
        facts = tried(server.relay())
    assert (facts.error, facts.version, facts.local) == ("", None, True)
    assert facts.offers == {"PIPELINING": "", "SIZE": "33554432", "CHUNKING": ""}
    assert [command.partition(" ")[0] for command in server.seen.commands] == ["EHLO", "MAIL", "RSET", "QUIT"]


def test_a_sender_that_is_refused() -> None:
    with FaultServer({"mail": say("553 5.7.1 <bounces@courier.example>: not owned by user")}) as server:
        facts = tried(server.relay())
    assert facts.error == ""
    assert facts.refused_sender.startswith("553 5.7.1")


def test_starttls_was_taken_out(authority: Authority, trusted: Path) -> None:
    with FaultServer(context=authority.server()) as server:
        facts = tried(server.relay(tls_type="STARTTLS", tls_ca_file=trusted))
    assert "does not offer STARTTLS" in facts.error
    assert not any(command.startswith("MAIL") for command in server.seen.commands)


def test_a_certificate_for_another_name_is_shown(authority: Authority, trusted: Path) -> None:
    with RecordingServer(tls="TLS", context=authority.server("other.example"), users={"news": "x"}) as server:
        facts = tried(server.relay(tls_ca_file=trusted, username="news", password="lantern"))
    assert "certificate is not accepted" in facts.error
    assert facts.certificate is not None
    assert facts.certificate.names == ("other.example",)
    assert "lantern" not in facts.error


def test_a_certificate_of_nobody_we_know(authority: Authority) -> None:
    with RecordingServer(tls="STARTTLS", context=authority.server()) as server:
        facts = tried(server.relay())
    assert "certificate is not accepted" in facts.error
    assert facts.certificate is not None


def test_a_version_that_is_too_old(authority: Authority, trusted: Path) -> None:
    old = authority.server()
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="deprecated"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with FaultServer(context=old, implicit=True) as server:
        facts = tried(server.relay(tls_type="TLS", tls_ca_file=trusted))
    assert "TLS 1.2 or newer is needed" in facts.error


def test_a_wrong_password_stays_secret(authority: Authority, trusted: Path) -> None:
    with RecordingServer(tls="TLS", context=authority.server(), users={"news": "lantern"}) as server:
        facts = tried(server.relay(tls_ca_file=trusted, username="news", password="harbour-42"))
    assert facts.error
    assert "harbour-42" not in facts.error


def test_nobody_is_there() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        facts = tried(relay_to(taken.getsockname()[1]))
    assert "no connection" in facts.error


@pytest.mark.parametrize("stage", ["banner", "ehlo", "mail"])
def test_silence_is_not_waited_for_long(stage: Literal["banner", "ehlo", "mail"]) -> None:
    with FaultServer({stage: Silence()}) as server:
        facts = tried(server.relay(wait_timeout=timedelta(minutes=5)), patience=timedelta(seconds=1))
    assert "timed out" in facts.error
