"""WebSub's rules: hubs of feeds, requests to our hub, addresses of questions, signatures, delays."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syndicate.config import Settings
from syndicate.core.websub import (
    LONGEST_LEASE,
    RETRIES,
    SHORTEST_LEASE,
    USUAL_LEASE,
    Mode,
    distribution_headers,
    hub_addresses,
    hubs_of_topic,
    is_ours,
    outside_hubs,
    question_address,
    read_request,
    retry_after,
    retry_delay,
    signature,
    topic_path,
    worth_retrying,
)
from syndicate.errors import UsageError

ROOT = "https://news.courier.example"
TOPIC = f"{ROOT}/feeds/all/rss.xml"
GOOD = {"hub.mode": "subscribe", "hub.topic": TOPIC, "hub.callback": "https://reader.example/hook?u=7"}


def configured(**service: Any) -> Settings:
    return Settings.model_validate(
        {
            "service": {"public_url": ROOT, **service},
            "feed": {
                "all": {"hub": "self"},
                "both": {"hub": ["https://hub.example/", "self", "https://hub.example/"]},
                "other": {"hub": "https://hub.example/"},
                "plain": {},
            },
        }
    )


SETTINGS = configured()


def test_hubs_of_feeds_each_once_in_their_order() -> None:
    assert hub_addresses(SETTINGS, "all") == (f"{ROOT}/hub",)
    assert hub_addresses(SETTINGS, "both") == ("https://hub.example/", f"{ROOT}/hub")
    assert hub_addresses(SETTINGS, "other") == ("https://hub.example/",)
    assert hub_addresses(SETTINGS, "plain") == ()
    assert hub_addresses(SETTINGS, "unknown") == ()
    assert outside_hubs(SETTINGS) == ("https://hub.example/",)


def test_hubs_of_topics() -> None:
    assert hubs_of_topic(SETTINGS, f"{ROOT}/feeds/both/category/port/atom.xml") == hub_addresses(SETTINGS, "both")
    assert is_ours(SETTINGS, TOPIC)
    assert not is_ours(SETTINGS, f"{ROOT}/feeds/other/rss.xml")


@pytest.mark.parametrize("topic", ["", ROOT, f"{ROOT}/feeds/", f"{ROOT}/feeds/all/../plain/rss.xml", f"{ROOT}/feeds//rss.xml", f"{TOPIC}?x", f"{TOPIC}#x", f"{ROOT}/feeds/all/..\\..\\x", "http://news.courier.example/feeds/all/rss.xml", "https://elsewhere.example/feeds/all/rss.xml", f" {TOPIC}", f"{ROOT}.evil.example/feeds/all/rss.xml"])  # fmt: skip
def test_what_is_no_topic_of_ours(topic: str) -> None:
    assert topic_path(SETTINGS, topic) is None
    with pytest.raises(UsageError, match="topic"):
        read_request(SETTINGS, GOOD | {"hub.topic": topic})


def test_a_request_is_read() -> None:
    found = read_request(SETTINGS, GOOD | {"hub.secret": "s3cret", "hub.lease_seconds": "86400"})
    assert found.mode is Mode.SUBSCRIBE
    assert (found.topic, found.callback, found.host) == (TOPIC, GOOD["hub.callback"], "reader.example")
    assert (found.secret, found.lease) == ("s3cret", timedelta(days=1))
    assert read_request(SETTINGS, GOOD | {"hub.mode": "unsubscribe"}).mode is Mode.UNSUBSCRIBE


@pytest.mark.parametrize(("text", "lease"), [("", USUAL_LEASE), ("0", USUAL_LEASE), ("1", SHORTEST_LEASE), ("300", SHORTEST_LEASE), ("301", timedelta(seconds=301)), ("2592000", LONGEST_LEASE), ("2592001", LONGEST_LEASE), ("9" * 5000, LONGEST_LEASE), ("0" * 50 + "600", timedelta(minutes=10))])  # fmt: skip
def test_leases_are_kept_within_bounds(text: str, lease: timedelta) -> None:
    assert read_request(SETTINGS, GOOD | {"hub.lease_seconds": text}).lease == lease


@pytest.mark.parametrize(("field", "value", "what"), [("hub.lease_seconds", "-1", "lease"), ("hub.lease_seconds", "1e9", "lease"), ("hub.lease_seconds", "٣٠٠", "lease"), ("hub.secret", "x" * 200, "secret"), ("hub.secret", "é" * 100, "secret"), ("hub.secret", "a\r\nb", "secret"), ("hub.secret", "\ud800", "secret"), ("hub.mode", "publish", "mode"), ("hub.mode", "", "mode"), ("hub.mode", "denied", "mode"), ("hub.callback", "", "callback"), ("hub.callback", "reader.example/x", "callback"), ("hub.callback", "ftp://reader.example/", "callback"), ("hub.callback", "http://user:pw@reader.example/", "callback"), ("hub.callback", "http://reader.example/#x", "callback"), ("hub.callback", "http://reader.example:25/", "port 25"), ("hub.callback", "http://reader.example:99999/", "callback"), ("hub.callback", "http://127.0.0.1/", "private"), ("hub.callback", "http://[::1]:8080/", "private"), ("hub.callback", "http://[::ffff:10.0.0.1]/", "private"), ("hub.callback", "http://169.254.169.254/latest", "private"), ("hub.callback", "http://reader.example/a b", "callback"), ("hub.callback", "http://reader.example/\r\nX: y", "callback"), ("hub.callback", "http://reader.example\\@127.0.0.1/", "callback"), ("hub.callback", "http://bücher.example/", "callback"), ("hub.callback", "http://reader.example/" + "x" * 2000, "callback"), ("hub.callback", "http://[::1", "callback")])  # fmt: skip
def test_what_is_wrong_is_named(field: str, value: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        read_request(SETTINGS, GOOD | {field: value})


def test_a_secret_may_have_199_bytes() -> None:
    assert read_request(SETTINGS, GOOD | {"hub.secret": "x" * 199}).secret == "x" * 199
    assert read_request(SETTINGS, GOOD | {"hub.secret": ""}).secret is None


def test_networks_that_are_trusted_may_be_called() -> None:
    trusting = configured(trusted_networks=["127.0.0.0/8"])
    assert read_request(trusting, GOOD | {"hub.callback": "http://127.0.0.1:81/x"}).host == "127.0.0.1"
    with pytest.raises(UsageError, match="private"):
        read_request(trusting, GOOD | {"hub.callback": "http://10.0.0.1/x"})


names = st.sampled_from(["hub.mode", "hub.topic", "hub.callback", "hub.lease_seconds", "hub.secret"])
values = st.text(max_size=40) | st.sampled_from([*GOOD.values(), "unsubscribe", "300"])


@given(st.dictionaries(names, values))
def test_any_form_is_read_or_refused(fields: dict[str, str]) -> None:
    try:
        found = read_request(SETTINGS, fields)
    except UsageError:  # any other exception fails
        return
    assert found.topic == fields["hub.topic"]
    assert found.callback == fields["hub.callback"]
    assert SHORTEST_LEASE <= found.lease <= LONGEST_LEASE
    assert urlsplit(found.callback).scheme in {"http", "https"}
    assert found.secret is None or len(found.secret.encode()) < 200


@settings(max_examples=50)
@given(st.text("abc/?&=%25.", max_size=20), st.dictionaries(st.text(min_size=1), st.text(), max_size=4))
def test_our_parameters_join_those_of_the_callback(rest: str, parameters: dict[str, str]) -> None:
    clean = {
        n.encode("utf-8", "replace").decode(): v.encode("utf-8", "replace").decode() for n, v in parameters.items()
    }
    address = question_address(f"https://reader.example/{rest}", clean)
    assert address.startswith(f"https://reader.example/{rest}")
    ours = parse_qsl(urlsplit(address).query, keep_blank_values=True)
    assert ours[len(ours) - len(clean) :] == list(clean.items())


@given(st.text(min_size=1, max_size=100).filter(lambda text: text.isprintable()), st.binary())
def test_signatures_by_the_definition_of_hmac(secret: str, body: bytes) -> None:
    key = secret.encode()  # RFC 2104, written out
    key = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + body).digest()
    assert signature(secret, body) == "sha256=" + hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).hexdigest()


def test_headers_of_a_distribution() -> None:
    topic = f"{ROOT}/feeds/both/feed.json"
    headers = distribution_headers(SETTINGS, topic, secret=None, body=b"{}")
    assert headers == {
        "Content-Type": "application/feed+json",
        "Link": f'<https://hub.example/>; rel="hub", <{ROOT}/hub>; rel="hub", <{topic}>; rel="self"',
    }
    signed = distribution_headers(SETTINGS, TOPIC, secret="s", body=b"x")
    assert signed["Content-Type"] == "application/rss+xml; charset=utf-8"
    assert signed["X-Hub-Signature"] == signature("s", b"x")


@given(st.integers(1, 30), st.floats(0, 1), st.none() | st.integers(0, 10**9))
def test_delays_grow_and_end(attempts: int, jitter: float, seconds: int | None) -> None:
    asked = None if seconds is None else timedelta(seconds=seconds)
    delay = retry_delay(RETRIES, attempts=attempts, jitter=jitter, asked=asked)
    if attempts > len(RETRIES):
        assert delay is None
        return
    assert delay is not None
    assert RETRIES[attempts - 1] * 0.9 <= delay <= RETRIES[-1] * 1.1
    if asked is not None:
        assert delay >= min(asked, RETRIES[-1])


@pytest.mark.parametrize(("text", "seconds"), [("120", 120), (" 5 ", 5), (None, None), ("", None), ("soon", None), ("-1", None), ("Sun, 22 Nov 2026 08:00:00 GMT", None), ("9" * 400, 999_999_999)])  # fmt: skip
def test_retry_after(text: str | None, seconds: int | None) -> None:
    assert retry_after(text) == (None if seconds is None else timedelta(seconds=seconds))


def test_which_answers_of_a_hub_are_worth_another_try() -> None:
    assert [status for status in (301, 400, 404, 408, 410, 425, 429, 500, 503) if worth_retrying(status)] == [
        408,
        425,
        429,
        500,
        503,
    ]
