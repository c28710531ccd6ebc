"""``why`` as operators ask it, with a Maildir and with a mail server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from calls import Call
from publisher import Publisher
from smtp_server import RecordingServer

REPLIES = {
    "reader0@example.org": "550 5.1.1 <reader0@example.org>: no such user",
    "reader1@example.org": "450 4.2.0 greylisted",
}


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer(replies=REPLIES) as server:
        yield server


@pytest.fixture(params=["maildir", "smtp"])
def publisher(request: pytest.FixtureRequest, tmp_path: Path, syndicate: Call) -> Publisher:
    publisher = Publisher(tmp_path, transport=request.param, frequencies=("daily",))
    if request.param == "smtp":
        server = request.getfixturevalue("server")
        publisher.more = f'[[smtp]]\nhost = "127.0.0.1"\nport = {server.port}\ntls_type = "none"\n'
    publisher.write()
    publisher.article("a")
    assert syndicate("poll").status == 0
    assert syndicate("subscribers", "import", publisher.readers(3), "--confirmed").status == 0
    assert syndicate("send", "morning").status == 0
    return publisher


def test_who_got_it(publisher: Publisher, syndicate: Call) -> None:
    result = syndicate("why", "reader2@example.org", "--json")
    assert result.status == 0
    (told,) = result.document["issues"]
    assert (told["got"], told["selected"], told["delivery"]["state"]) == (True, True, "accepted")
    assert [each["event"] for each in told["history"]] == ["queued", "accepted"]
    assert told["cohort"]["recipients"] == 3
    shown = syndicate("why", "reader2@example.org", "--article", "https://courier.example/a").out
    assert "morning: confirmed since" in shown
    assert "got it: " in shown
    assert "selected with 2 others who stood alike: cursor 0 of 1, first issue, topics *" in shown
    assert "the article: it was in it" in shown


@pytest.mark.parametrize("publisher", ["smtp"], indirect=True)
@pytest.mark.usefixtures("publisher")
def test_who_did_not(syndicate: Call) -> None:
    (refused,) = syndicate("why", "reader0@example.org", "--issue", "1", "--json").document["issues"]
    assert (refused["got"], refused["reason"], refused["delivery"]["code"]) == (False, "hard", 550)
    (waits,) = syndicate("why", "reader1@example.org", "--json").document["issues"]
    assert waits["got"] is None
    assert waits["history"][-1]["next_at"] == waits["delivery"]["next_try_at"] is not None
    shown = syndicate("why", "reader1@example.org").out
    assert "did not take it yet: 450 4.2.0 greylisted; next try 20" in shown
    history = syndicate("subscribers", "show", "reader1@example.org", "--json").document["deliveries"][0]["history"]
    assert [each["event"] for each in history] == ["deferred"]


@pytest.mark.parametrize("publisher", ["maildir"], indirect=True)
@pytest.mark.usefixtures("publisher")
def test_an_address_that_is_not_known(syndicate: Call) -> None:
    result = syndicate("why", "reader22@example.org")
    assert result.status == 1
    assert "is not known here: never subscribed, or erased" in result.out
    assert "Did you mean reader2@example.org" in result.out
    document = syndicate("why", "reader22@example.org", "--json").document
    assert (document["known"], document["issues"]) == (False, [])
    syndicate("subscribers", "erase", "reader2@example.org", "--block")
    erased = syndicate("why", "reader2@example.org").out
    assert "gdpr-erasure" in erased
    assert "1 delivery has no reader any more: erased" in erased


@pytest.mark.parametrize("publisher", ["maildir"], indirect=True)
@pytest.mark.usefixtures("publisher")
def test_names_that_are_none(syndicate: Call) -> None:
    for arguments in (
        ("no address",),
        ("reader0@example.org", "--issue", "9"),
        ("reader0@example.org", "--article", "x"),
    ):
        result = syndicate("why", *arguments)
        assert result.status == 2, arguments
        assert len(result.err.strip().splitlines()) == 1
