"""Signed links: genuine ones are read back, everything else is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from syndicate.core.links import (
    Purpose,
    message_id_token,
    read_message_id_token,
    sign,
    sign_for_mail,
    tagged_address,
    token_of_address,
    unsubscribe_url,
    verify,
    verify_from_mail,
)
from syndicate.errors import AddressError, ExpiredTokenError, TokenError
from syndicate.model import Keyring, SigningKey

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
K1 = SigningKey(id="k1", secret=b"1" * 32)
K2 = SigningKey(id="k2", secret=b"2" * 32)
OLD = Keyring(keys=(K1,), hash_key=b"h" * 32)
ROTATED = Keyring(keys=(K2, K1), hash_key=b"h" * 32)
IDS = st.integers(0, 2**31 - 1)
LINKS = st.sampled_from([Purpose.CONFIRM, Purpose.UNSUBSCRIBE, Purpose.PREFERENCES])


def expiry(purpose: Purpose) -> datetime | None:
    return NOW + timedelta(hours=72) if purpose is Purpose.CONFIRM else None


@given(LINKS, IDS)
def test_a_link_is_read_back(purpose: Purpose, number: int) -> None:
    token = sign(OLD, purpose, number, expires_at=expiry(purpose))
    payload = verify(OLD, purpose, token, NOW)
    assert payload.subscription_id == number
    assert payload.expires_at == expiry(purpose)
    assert len(token) < 60
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


@given(IDS, IDS)
def test_a_bounce_address_is_read_back_in_any_case(issue: int, subscriber: int) -> None:
    token = sign_for_mail(OLD, Purpose.BOUNCE, issue, subscriber)
    assert token == token.lower()
    address = tagged_address("bounces@courier.example", token)
    assert len(address.rpartition("@")[0]) <= 64
    for received in (address, address.upper()):
        found = token_of_address(received)
        assert found is not None
        assert verify_from_mail(OLD, Purpose.BOUNCE, found, NOW).delivery == (issue, subscriber)


def test_a_token_has_one_length_whatever_the_number() -> None:
    assert len({len(sign(OLD, Purpose.UNSUBSCRIBE, number)) for number in (0, 1, 255, 2**31 - 1)}) == 1


def test_unsubscribe_links_never_expire_and_confirm_links_do() -> None:
    in_ten_years = NOW + timedelta(days=3650)
    assert verify(OLD, Purpose.UNSUBSCRIBE, sign(OLD, Purpose.UNSUBSCRIBE, 7), in_ten_years).subscription_id == 7
    token = sign(OLD, Purpose.CONFIRM, 7, expires_at=NOW + timedelta(hours=72))
    verify(OLD, Purpose.CONFIRM, token, NOW + timedelta(hours=71, minutes=59))
    with pytest.raises(ExpiredTokenError):
        verify(OLD, Purpose.CONFIRM, token, NOW + timedelta(hours=72))
    with pytest.raises(ValueError, match="must expire"):
        sign(OLD, Purpose.CONFIRM, 7)


def test_older_keys_verify_and_the_newest_signs() -> None:
    old = sign(OLD, Purpose.UNSUBSCRIBE, 7)
    assert verify(ROTATED, Purpose.UNSUBSCRIBE, old, NOW).subscription_id == 7
    new = sign(ROTATED, Purpose.UNSUBSCRIBE, 7)
    assert new.startswith("k2.")
    with pytest.raises(TokenError):
        verify(OLD, Purpose.UNSUBSCRIBE, new, NOW)


@given(LINKS, LINKS, IDS)
def test_no_link_serves_another_purpose_and_says_no_more_than_an_altered_one(
    made_for: Purpose, used_for: Purpose, number: int
) -> None:
    assume(made_for is not used_for)
    token = sign(OLD, made_for, number, expires_at=expiry(made_for))
    with pytest.raises(TokenError) as other_purpose:
        verify(OLD, used_for, token, NOW)
    with pytest.raises(TokenError) as altered:
        verify(OLD, made_for, token[:-1], NOW)
    assert str(other_purpose.value) == str(altered.value)
    assert type(other_purpose.value) is type(altered.value) is TokenError


@given(st.data(), LINKS, IDS)
def test_one_changed_character_spoils_a_link(data: st.DataObject, purpose: Purpose, number: int) -> None:
    token = sign(ROTATED, purpose, number, expires_at=expiry(purpose))
    place = data.draw(st.integers(0, len(token) - 1))
    character = data.draw(st.characters(codec="utf-8").filter(lambda other: other != token[place]))
    with pytest.raises(TokenError):
        verify(ROTATED, purpose, token[:place] + character + token[place + 1 :], NOW)


@given(st.text(max_size=80), st.sampled_from(Purpose))
def test_any_text_is_refused_politely(text: str, purpose: Purpose) -> None:
    for read in (verify, verify_from_mail):
        with pytest.raises(TokenError):
            read(OLD, purpose, text, NOW)
    with pytest.raises(TokenError):
        read_message_id_token(OLD, text)


def test_every_bit_of_the_mac_counts() -> None:
    token = sign_for_mail(OLD, Purpose.BOUNCE, 3, 4)
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    for place in range(3, len(token)):
        other = alphabet[(alphabet.index(token[place]) ^ 1)]
        with pytest.raises(TokenError):
            verify_from_mail(OLD, Purpose.BOUNCE, token[:place] + other + token[place + 1 :], NOW)


@given(st.sets(IDS, min_size=2, max_size=50))
def test_tokens_do_not_show_the_numbers_they_hold(numbers: set[int]) -> None:
    tokens = [sign(OLD, Purpose.UNSUBSCRIBE, number) for number in numbers]
    assert len({token[-4:] for token in tokens}) == len(tokens)


@given(IDS, IDS)
def test_a_message_id_is_the_same_for_ever(issue: int, subscriber: int) -> None:
    token = message_id_token(OLD, issue, subscriber)
    assert token == message_id_token(ROTATED, issue, subscriber)
    assert read_message_id_token(ROTATED, token.upper()) == (issue, subscriber)
    assert token != message_id_token(OLD, issue + 1, subscriber)


def test_a_return_path_without_room_for_a_token_is_named() -> None:
    token = sign_for_mail(OLD, Purpose.BOUNCE, 1, 2)
    with pytest.raises(AddressError, match="use at most 21 characters"):
        tagged_address("x" * 22 + "@courier.example", token)
    assert tagged_address("x" * 21 + "@courier.example", token)


def test_addresses_are_those_of_the_contract() -> None:
    assert unsubscribe_url("https://courier.example", "k1.x") == "https://courier.example/unsubscribe/k1.x"
