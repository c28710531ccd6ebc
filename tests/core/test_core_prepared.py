"""A prepared message makes, octet for octet, what the general way makes; only quicker."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mail_samples import NONCE, rendered

from syndicate.core.links import DeliveryTokens, Purpose, message_id_token, sign, sign_for_mail, token_maker
from syndicate.core.message.digest_message import MessageHeaders, build_message
from syndicate.core.message.headers import Mailbox
from syndicate.core.message.prepared import PreparedMessage
from syndicate.core.message.template import MessageTemplate
from syndicate.core.personal import Personal, return_path, slot_values, web_url
from syndicate.core.render.edition import RenderedEdition
from syndicate.core.render.slots import marker
from syndicate.errors import AddressError, HeaderError
from syndicate.model import Keyring, SigningKey

NUMBER = st.integers(1, 2**32 - 1)
KEYS = st.builds(
    lambda key_id, secret, other: Keyring(keys=(SigningKey(id=key_id, secret=secret),), hash_key=other),
    st.from_regex(r"k[1-9][0-9]{0,2}", fullmatch=True),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=32, max_size=32),
)
# Of every length, since where a soft line break falls depends on it; some that quoted-printable must escape.
PUBLIC_URL = st.builds(
    lambda host, path: f"https://{host}.example{path}",
    st.from_regex(r"[a-z]{1,60}", fullmatch=True),
    st.sampled_from(["", "/news", "/a=b", "/~x/.y", "/" + "p" * 70]),
)
PERSONAL = st.builds(
    Personal,
    public_url=PUBLIC_URL,
    message_domain=st.sampled_from(["courier.example", "news.harbour-media.example"]),
    return_path=st.sampled_from([None, "bounces@courier.example", "b@mail.courier.example"]),
    sender=st.sampled_from(["news@courier.example", "the.news+letter@courier.example"]),
)
NAMES = st.one_of(
    st.sampled_from(["", "Ann", "Reader 12", "Zoë Ünal", "O'Neil, Ann", "a" * 200, "x y " * 20, "=?utf-8?q?x?="]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=90),
)
ADDRESSES = st.sampled_from(
    ["reader12@example.org", "zoë@example.org", "a.b+c@sub.example.org", "x" * 64 + "@example.org", "é@bücher.example"]
)


def blob_of(
    rendered_edition: RenderedEdition, *, date: datetime | None = datetime(2026, 11, 22, 7, 30, tzinfo=UTC)
) -> bytes:
    return build_message(
        rendered_edition,
        MessageHeaders(
            sender=Mailbox("The Harbour Courier", "news@courier.example"),
            date=date,
            digest="morning",
            digest_title="Morning Courier",
            domain="courier.example",
            issue="12",
        ),
    )


def with_slots_everywhere() -> bytes:
    """A message whose subject, too, holds a name and a link; markers side by side and at the ends of lines."""
    name, leave = marker("recipient.name", NONCE, "frïend"), marker("unsubscribe_url", NONCE)
    prefer, email = marker("preferences_url", NONCE), marker("recipient.email", NONCE)
    web = marker("web_url", NONCE)
    text = f"{name}{leave}{prefer}\n{leave}\n{email}, {prefer}.\n" + "x" * 70 + leave + web
    return blob_of(
        RenderedEdition(
            subject=f"For {name}: {leave}",
            html=f'<p>{name}</p><a href="{leave}">{leave}</a><a href="{prefer}">{email}</a>',
            text=text,
            preheader="",
            language="en",
            nonce=NONCE,
        )
    )


BLOBS = [blob_of(rendered()), blob_of(rendered(), date=None), with_slots_everywhere()]


@given(
    st.sampled_from(BLOBS),
    PERSONAL,
    KEYS,
    NUMBER,
    NUMBER,
    NUMBER,
    ADDRESSES,
    NAMES,
    st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.timezones()),  # noqa: DTZ001 - hypothesis adds the zone,
)
def test_it_makes_what_the_general_way_makes(
    blob: bytes,
    personal: Personal,
    keyring: Keyring,
    issue: int,
    subscriber: int,
    subscription: int,
    email: str,
    name: str,
    sent_at: datetime,
) -> None:
    make = token_maker(keyring)
    template = MessageTemplate(blob)
    prepared = PreparedMessage(template, personal, make(0, 0, 0), web_url=web_url(personal, issue, 7))
    values = slot_values(
        personal,
        keyring,
        issue_id=issue,
        edition_id=7,
        subscriber_id=subscriber,
        subscription_id=subscription,
        email=email,
        name=name,
        sent_at=sent_at,
    )
    try:
        expected = template.fill(values)
    except (HeaderError, AddressError) as error:
        with pytest.raises(type(error)):
            prepared.fill(make(issue, subscriber, subscription), email, name, sent_at)
    else:
        assert prepared.fill(make(issue, subscriber, subscription), email, name, sent_at) == expected


@given(KEYS, NUMBER, NUMBER, NUMBER)
def test_the_tokens_of_a_delivery_are_those_that_are_signed_one_by_one(
    keyring: Keyring, issue: int, subscriber: int, subscription: int
) -> None:
    assert token_maker(keyring)(issue, subscriber, subscription) == DeliveryTokens(
        unsubscribe=sign(keyring, Purpose.UNSUBSCRIBE, subscription).encode(),
        unsubscribe_by_mail=sign_for_mail(keyring, Purpose.UNSUBSCRIBE, subscription).encode(),
        preferences=sign(keyring, Purpose.PREFERENCES, subscription).encode(),
        message_id=message_id_token(keyring, issue, subscriber).encode(),
        bounce=sign_for_mail(keyring, Purpose.BOUNCE, issue, subscriber).encode(),
    )


@given(PERSONAL, KEYS, NUMBER)
def test_a_failure_report_comes_back_to_the_delivery(personal: Personal, keyring: Keyring, number: int) -> None:
    found = return_path(personal, token_maker(keyring)(number, 2, 3))
    if personal.return_path is None:
        assert found == personal.sender
    else:
        local, _, domain = personal.return_path.partition("@")
        assert found == f"{local}+{sign_for_mail(keyring, Purpose.BOUNCE, number, 2)}@{domain}"
