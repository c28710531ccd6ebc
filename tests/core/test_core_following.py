"""Following: what is asked of hubs, what is made of their questions, and which messages are theirs."""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.config import Settings
from syndicate.core.feed_reading import ReadFeed
from syndicate.core.feed_reading.discovery import discover, header_links
from syndicate.core.following import (
    LEASE,
    LONGEST_LEASE,
    SHORTEST_RENEWAL,
    SignatureCheck,
    callback_address,
    follows,
    reachable,
    read_question,
    renew_after,
    request_form,
)
from syndicate.core.websub import Mode, signature
from syndicate.errors import UsageError

HUB, SELF, AT = "https://hub.example/", "https://agency.example/news.atom", "https://agency.example/news"


def feed(**given: Any) -> ReadFeed:
    return ReadFeed(form="atom", address=AT, **given)


@pytest.mark.parametrize(
    ("header", "links"),
    [
        (f'<{HUB}>; rel="hub", <{SELF}>; rel="self"', [(HUB, {"hub"}), (SELF, {"self"})]),
        (f"<{HUB}>;rel=hub", [(HUB, {"hub"})]),
        (f'<{HUB}> ; title="a, \\"b\\"; rel=x <y>" ; REL="Hub self"', [(HUB, {"hub", "self"})]),
        (f"<{HUB}>; rel=hub; rel=self", [(HUB, {"hub"})]),  # RFC 8288, 3.3: the first one counts
        ("</hub>; rel=hub", [("https://agency.example/hub", {"hub"})]),
        (f"<{HUB}>; rel=hub; anchor=\"#a\", <{SELF}>; rel='self'", [(SELF, {"'self'"})]),
        (f"<{HUB}>;;rel=hub,,<{SELF}>", [(HUB, {"hub"}), (SELF, set())]),
        ("<mailto:a@b.example>; rel=hub, <ftp://x.example/>; rel=hub, <>; nothing", []),
        ("", []),
        ("<<<", []),
    ],
)
def test_links_of_a_header(header: str, links: list[tuple[str, set[str]]]) -> None:
    found = [(url, set(relations)) for url, relations in header_links(header, AT)]
    assert [each for each in found if each[0] != AT] == links


@given(st.text(alphabet=" \t<>;,=\"\\'abrelhub/:#", max_size=300))
def test_no_header_breaks_it(header: str) -> None:
    for url, _ in header_links(header, AT):
        assert url.startswith(("http://", "https://"))


def test_a_long_header_takes_no_time() -> None:
    for header in ("<a>" + "; " * 200_000, "<a>;rel=" + '"\\' * 200_000, "<" * 400_000, "<a>;a " * 100_000):
        header_links(header, AT)


def test_the_header_counts_before_the_document() -> None:
    document = feed(hubs=("https://other.example/",), self_address="https://agency.example/old")
    header = f'<{HUB}>; rel="hub", <{SELF}>; rel="self"'
    assert discover(header, document, address=AT, topic=None) == ((HUB,), SELF)
    assert discover(header, None, address=AT, topic="https://agency.example/old") == ((HUB,), SELF)
    assert discover(f"<{HUB}>; rel=hub", document, address=AT, topic=None) == ((HUB,), "https://agency.example/old")
    assert discover(f"<{HUB}>; rel=hub", None, address=AT, topic=SELF) == ((HUB,), SELF)
    assert discover("", document, address=AT, topic=None) == (document.hubs, document.self_address)


def test_what_names_no_hub() -> None:
    assert discover("", feed(self_address=SELF), address=AT, topic=SELF) == ((), None)
    assert discover("", None, address=AT, topic=SELF) is None, "a 304 without links leaves what is known"
    assert discover("", feed(hubs=("https://hub.example/#x", "https://häfen.example/")), address=AT, topic=None) == (
        (),
        None,
    )


def test_a_feed_that_does_not_say_where_it_lives_counts_by_its_address() -> None:
    assert discover("", feed(hubs=(HUB,)), address=AT, topic=None) == ((HUB,), AT)
    many = tuple(f"https://hub{number}.example/" for number in range(20))
    assert discover("", feed(hubs=(*many, *many)), address=AT, topic=None) == (many[:5], AT)


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://news.courier.org", True),
        ("http://198.51.100.7:8000", False),  # a network of documentation
        ("http://8.8.8.8", True),
        ("http://127.0.0.1:8000", False),
        ("http://[::1]:8000", False),
        ("http://10.1.2.3", False),
        ("http://localhost:8000", False),
        ("http://paper.localhost", False),
        ("http://server", False),
        ("http://server.local", False),
        ("http://news.corp.internal", False),
        ("http://nas.home.arpa.", False),
        ("https://news.courier.example", False),
        ("https://exampletest.org", True),
    ],
)
def test_where_hubs_can_reach_us(url: str, public: bool) -> None:
    assert reachable(url) is public
    for wish, expected in ((None, public), (True, True), (False, False)):
        source = {"type": "feed", "url": AT} | ({} if wish is None else {"websub": wish})
        settings = Settings.model_validate({"service": {"public_url": url}, "source": {"agency": source}})
        assert follows(settings, "agency") is expected
    assert not follows(settings, "nobody")


def test_a_source_of_another_type_is_not_followed() -> None:
    service = {"public_url": "https://news.courier.org"}
    settings = Settings.model_validate({"service": service, "source": {"a": {"type": "folder", "path": "."}}})
    assert not follows(settings, "a")


def test_what_is_asked_of_a_hub() -> None:
    settings = Settings.model_validate({"service": {"public_url": "https://x.example/news"}})
    callback = callback_address(settings, "t-1")
    assert callback == "https://x.example/news/websub/t-1"
    form = parse_qs(request_form(Mode.SUBSCRIBE, topic=SELF, callback=callback, secret="s&=ü").decode())
    assert form == {
        "hub.mode": ["subscribe"],
        "hub.topic": [SELF],
        "hub.callback": [callback],
        "hub.secret": ["s&=ü"],
        "hub.lease_seconds": ["864000"],
    }
    assert set(parse_qs(request_form(Mode.UNSUBSCRIBE, topic=SELF, callback=callback, secret="s").decode())) == {
        "hub.mode",
        "hub.topic",
        "hub.callback",
    }


def test_the_question_of_a_hub() -> None:
    asked = {"hub.mode": "subscribe", "hub.topic": SELF, "hub.challenge": "c", "hub.lease_seconds": "600"}
    question = read_question(asked)
    assert (question.mode, question.topic, question.challenge) == (Mode.SUBSCRIBE, SELF, "c")
    assert question.lease == timedelta(minutes=10)
    assert read_question({"hub.mode": "denied", "hub.topic": SELF, "hub.reason": "no"}).reason == "no"
    for wrong in ({"hub.mode": "publish"}, {"hub.mode": ""}, {"hub.challenge": ""}, {"hub.challenge": "c" * 2001}):
        with pytest.raises(UsageError):
            read_question(asked | wrong)


@given(st.text(max_size=40) | st.integers(0, 10**30).map(str))
def test_any_lease_can_be_renewed(text: str) -> None:
    lease = read_question({"hub.mode": "subscribe", "hub.challenge": "c", "hub.lease_seconds": text}).lease
    assert timedelta() < lease <= LONGEST_LEASE
    assert lease == LEASE or text.isdecimal()
    assert renew_after(lease) >= SHORTEST_RENEWAL
    assert renew_after(lease) < lease or lease <= SHORTEST_RENEWAL * 5 / 4


def holds(secret: str, header: str | None, *pieces: bytes) -> bool:
    check = SignatureCheck(secret, header)
    for piece in pieces:
        check.update(piece)
    return check.holds()


@given(st.text(min_size=1, max_size=50), st.lists(st.binary(max_size=100), max_size=5), st.sampled_from(["sha1", "sha256", "sha384", "sha512"]))  # fmt: skip
def test_the_right_signature_holds_however_the_message_is_cut(secret: str, pieces: list[bytes], method: str) -> None:
    body = b"".join(pieces)
    right = hmac.new(secret.encode(), body, method).hexdigest()
    assert holds(secret, f"{method}={right}", *pieces)
    assert holds(secret, f" {method.upper()}={right.upper()} ", body)
    assert holds(secret, signature(secret, body), body), "that of our own hub"
    assert not holds(secret, f"{method}={right}", *pieces, b"x")
    assert not holds(secret + "x", f"{method}={right}", *pieces)


@given(st.none() | st.text(max_size=100) | st.sampled_from(["sha256=", "md5=x", "sha3_256=", "shake_128=00", "sha256", "=", "blake2b="]))  # fmt: skip
def test_no_other_signature_holds(header: str | None) -> None:
    assert not holds("secret", header, b"body")
    for method in ("md5", "sha3_256", "sha224", ""):
        try:
            digest = hmac.new(b"secret", b"body", method or "md5").hexdigest()
        except ValueError:
            continue
        assert not holds("secret", f"{method}={digest}", b"body")
