from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.outcomes import Stage
from syndicate.core.transaction import FINAL_DOT, Offers, Transaction, canonical, stuffed, transaction_of
from syndicate.errors import RelayError
from syndicate.model import Envelope, Outcome

DATA = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b".", b"a", b"\r\n."]), max_size=40).map(b"".join)


def unstuffed(wire: bytes) -> bytes:
    """What a server makes of the data (RFC 5321 4.5.2)."""
    assert wire.endswith(FINAL_DOT)
    lines = wire[: -len(FINAL_DOT)].split(b"\r\n")
    return b"\r\n".join(line.removeprefix(b".") for line in lines)


@given(DATA)
def test_canonical_has_only_whole_line_ends(data: bytes) -> None:
    made = canonical(data)
    assert made.count(b"\r") == made.count(b"\n") == made.count(b"\r\n")
    assert not made or made.endswith(b"\r\n")
    assert canonical(made) == made
    assert made.replace(b"\r\n", b"") == data.replace(b"\r", b"").replace(b"\n", b"")


@given(DATA)
def test_stuffed_data_ends_once_and_comes_back_whole(data: bytes) -> None:
    made = canonical(data)
    wire = stuffed(made) + FINAL_DOT
    assert unstuffed(wire) == made
    # The end mark stands at the end and nowhere else, so no message can hide a second one in itself.
    assert (b"\r\n" + wire).find(b"\r\n.\r\n") == len(wire) - len(b".\r\n")


def envelope(
    recipient: str = "ana@reader.example", sender: str = "b+t@courier.example", data: bytes = b"x\r\n"
) -> Envelope:
    return Envelope(sender=sender, recipient=recipient, data=data)


def made(offers: Offers, given_envelope: Envelope) -> Transaction:
    transaction = transaction_of(given_envelope, offers, relay="main")
    assert isinstance(transaction, Transaction)
    return transaction


def test_commands() -> None:
    plain = made(Offers(), envelope())
    assert plain.commands == (
        (Stage.MAIL, b"MAIL FROM:<b+t@courier.example>\r\n"),
        (Stage.RCPT, b"RCPT TO:<ana@reader.example>\r\n"),
        (Stage.DATA, b"DATA\r\n"),
    )
    assert plain.data == b"x\r\n"


@pytest.mark.parametrize(
    ("recipient", "data", "options"),
    [
        ("ana@reader.example", b"x\r\n", " SIZE=3"),
        ("ana@bücher.example", b"x\r\n", " SIZE=3"),
        ("jürgen@reader.example", b"x\r\n", " SIZE=3 SMTPUTF8"),
        ("ana@reader.example", "ü\r\n".encode(), " SIZE=4 BODY=8BITMIME"),
        ("ana@reader.example", b".\n.", " SIZE=6"),
    ],
)
def test_options_where_they_are_needed(recipient: str, data: bytes, options: str) -> None:
    everything = Offers.of_ehlo({"size": "1000", "smtputf8": "", "8bitmime": "", "pipelining": ""})
    transaction = made(everything, envelope(recipient, data=data))
    assert transaction.mail.decode() == f"MAIL FROM:<b+t@courier.example>{options}\r\n"


@pytest.mark.parametrize(
    ("offers", "given_envelope", "enhanced"),
    [
        (Offers(), envelope("nobody"), "5.1.3"),
        (Offers(), envelope("jürgen@reader.example"), "5.6.7"),
        (Offers(), envelope(sender="jürgen@courier.example"), "5.6.7"),
        (Offers(), envelope(data="ü\r\n".encode()), "5.6.3"),
        (Offers(size=2), envelope(), "5.3.4"),
    ],
)
def test_what_the_relay_cannot_take(offers: Offers, given_envelope: Envelope, enhanced: str) -> None:
    outcome = transaction_of(given_envelope, offers, relay="main")
    assert isinstance(outcome, Outcome)
    assert (outcome.kind.value, outcome.code, outcome.enhanced, outcome.relay) == ("rejected", None, enhanced, "main")
    assert outcome.text.startswith("not sent: ")


@pytest.mark.parametrize(("stated", "limit"), [("", 0), ("0", 0), ("35882577", 35_882_577), ("lots", 0)])
def test_size_as_stated(stated: str, limit: int) -> None:
    assert Offers.of_ehlo({"size": stated}).size == limit
    assert Offers.of_ehlo({}).size is None


def test_sender_that_is_no_address() -> None:
    with pytest.raises(RelayError, match="envelope sender"):
        transaction_of(envelope(sender="a\r\nRSET"), Offers(), relay="main")


@given(recipient=st.text(max_size=40), local=st.text(max_size=20))
def test_no_address_can_add_a_command(recipient: str, local: str) -> None:
    for text in (recipient, f"{local}@reader.example"):
        transaction = transaction_of(envelope(text), Offers(smtputf8=True), relay="main")
        if isinstance(transaction, Transaction):
            assert transaction.rcpt.count(b"\r") == transaction.rcpt.count(b"\n") == 1
            assert transaction.rcpt.count(b">") == transaction.rcpt.count(b"<") == 1
            assert b" " not in transaction.rcpt[len("RCPT TO:") :].rstrip()
