from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.outcomes import (
    BounceClass,
    Stage,
    classify_reply,
    goes_on,
    not_sent,
    outcome_of_break,
    outcome_of_cut,
    outcome_of_reply,
)
from syndicate.errors import RelayError
from syndicate.model import OutcomeKind

HARD, SOFT, BLOCK = BounceClass

BEFORE = [Stage.CONNECT, Stage.EHLO, Stage.STARTTLS, Stage.AUTH]
WITHIN = [Stage.MAIL, Stage.RCPT, Stage.DATA]
ENHANCED = st.one_of(
    st.none(), st.builds("{}.{}.{}".format, st.sampled_from([4, 5]), st.integers(0, 9), st.integers(0, 600))
)


@pytest.mark.parametrize(
    ("code", "enhanced", "text", "expected"),
    [
        # the address does not exist
        (550, "5.1.1", "5.1.1 <ana@reader.example>: Recipient address rejected: User unknown in local table", HARD),
        (550, "5.1.1", "5.1.1 The email account that you tried to reach does not exist", HARD),
        (550, "5.1.2", "5.1.2 Bad destination system", HARD),
        (550, "5.1.3", "5.1.3 bad syntax", HARD),
        (550, "5.1.6", "5.1.6 moved", HARD),
        (550, "5.1.10", "5.1.10 RESOLVER.ADR.RecipientNotFound", HARD),
        (556, "5.1.10", "5.1.10 Recipient address has null MX", HARD),
        (556, None, "Domain does not accept mail", HARD),
        (550, "5.2.1", "5.2.1 The email account that you tried to reach is disabled", HARD),
        (550, "5.4.4", "5.4.4 unable to route: host not found", HARD),
        (550, "5.4.1", "5.4.1 Recipient address rejected: Access denied. AS(201806281)", HARD),
        # said in words only, or under a code that says something else
        (550, None, "No such user here", HARD),
        (550, None, "Unrouteable address", HARD),
        (550, None, "Requested action not taken: mailbox unavailable", HARD),
        (550, "5.0.0", "5.0.0 invalid recipient", HARD),
        (554, "5.7.1", "5.7.1 no such user", HARD),
        (554, None, "delivery error: this user doesn't have an account; mailbox not found", HARD),
        (550, "5.5.0", "5.5.0 mailbox unavailable", HARD),
        # another day
        (552, "5.2.2", "5.2.2 over quota", SOFT),
        (550, None, "mailbox is full", SOFT),
        (550, "5.1.1", "5.1.1 mailbox quota exceeded for user", SOFT),
        (552, "5.3.4", "5.3.4 message too large", SOFT),
        (550, "5.2.1", "5.2.1 user is receiving mail too quickly", SOFT),
        (554, "5.4.6", "5.4.6 routing loop", SOFT),
        (554, "5.4.0", "5.4.0 too many hops", SOFT),
        (451, "4.3.0", "4.3.0 try later", SOFT),
        (450, "4.1.1", "4.1.1 user unknown at this moment", SOFT),
        (550, "4.2.2", "4.2.2 mailbox full", SOFT),
        (550, None, "", SOFT),
        (554, "5.0.0", "5.0.0 something happened", SOFT),
        (None, "5.3.4", "not sent: the message has 101 octets, the relay takes at most 100 (SIZE, RFC 1870)", SOFT),
        # our fault
        (550, "5.7.1", "5.7.1 rejected", BLOCK),
        (550, "5.7.25", "5.7.25 no PTR record", BLOCK),
        (550, "5.7.26", "5.7.26 This mail is unauthenticated", BLOCK),
        (550, "5.7.515", "5.7.515 Access denied, sending domain does not meet the required level", BLOCK),
        (554, "5.7.1", "5.7.1 Service unavailable; Client host [192.0.2.10] blocked using a DNSBL", BLOCK),
        (554, "5.7.1", "5.7.1 <ana@reader.example>: Relay access denied", BLOCK),
        (550, None, "relay not permitted", BLOCK),
        (554, None, "Message rejected: looks like spam", BLOCK),
        (550, None, "rejected because of DMARC policy", BLOCK),
        (550, "5.1.1", "5.1.1 your IP has a poor reputation", BLOCK),
        (553, "5.1.8", "5.1.8 sender address rejected: domain not found", BLOCK),
        (550, None, "Sender verify failed", BLOCK),
        (550, None, "administrative prohibition", BLOCK),
        (554, None, "policy violation", BLOCK),
        (550, "5.4.5", "5.4.5 Daily user sending quota exceeded", BLOCK),
        (554, "5.6.0", "5.6.0 header is malformed", BLOCK),
        (503, "5.5.1", "5.5.1 bad sequence of commands", BLOCK),
        (501, None, "argument missing", BLOCK),
        (421, "4.7.0", "4.7.0 deferred because of user complaints", BLOCK),
        (450, "4.2.0", "4.2.0 greylisted, come back in five minutes", BLOCK),
        (None, "5.6.7", "not sent: the relay does not offer SMTPUTF8", BLOCK),
        # words in passing decide nothing
        (550, "5.1.1", "5.1.1 user unknown; this host is protected by an anti-spam gateway", HARD),
        (550, "5.1.1", "5.1.1 no such user; if you think this is spam filtering, write to us", HARD),
    ],
)
def test_whose_fault(code: int | None, enhanced: str | None, text: str, expected: BounceClass) -> None:
    assert classify_reply(code, enhanced, text) is expected
    assert classify_reply(code, enhanced, text.upper()) is expected


@given(code=st.integers(400, 499), enhanced=ENHANCED, text=st.text(max_size=80))
def test_what_is_temporary_never_speaks_against_the_address(code: int, enhanced: str | None, text: str) -> None:
    assert classify_reply(code, enhanced, text) is not HARD
    assert classify_reply(code, enhanced, f"{text} no such user") is not HARD


@given(code=st.integers(500, 599), subject=st.integers(0, 999), text=st.text("abc xyz.", max_size=40))
def test_policy_codes_are_never_the_readers_fault(code: int, subject: int, text: str) -> None:
    assert classify_reply(code, f"5.7.{subject}", text) is BLOCK


@pytest.mark.parametrize(
    "words", ["listed at Spamhaus", "blocklisted", "fails DMARC", "bad reputation", "relaying denied"]
)
@given(code=st.integers(500, 599), enhanced=ENHANCED)
def test_policy_words_are_never_the_readers_fault(words: str, code: int, enhanced: str | None) -> None:
    assert classify_reply(code, enhanced, words) is BLOCK


@given(code=st.none() | st.integers(-1, 999), enhanced=st.none() | st.text(max_size=9), text=st.text(max_size=500))
def test_every_reply_has_a_class(code: int | None, enhanced: str | None, text: str) -> None:
    assert classify_reply(code, enhanced, text) in BounceClass


@pytest.mark.parametrize("piece", ["user ", "sender ", "mailbox quota ", "a", "exceeds ", "bad local "])
def test_no_text_takes_long_to_classify(piece: str) -> None:
    started = time.process_time()
    classify_reply(550, None, (piece * 500)[:500])
    assert time.process_time() - started < 0.5


@given(code=st.integers(200, 599), text=st.text(max_size=60))
def test_outcome_after_the_data(code: int, text: str) -> None:
    outcome = outcome_of_reply(code, text, relay="main", stage=Stage.MESSAGE)
    expected = {2: OutcomeKind.ACCEPTED, 3: OutcomeKind.IN_DOUBT, 4: OutcomeKind.DEFERRED, 5: OutcomeKind.REJECTED}
    assert outcome.kind is expected[code // 100]
    assert (outcome.code, outcome.relay) == (code, "main")


@given(code=st.integers(200, 599).filter(lambda code: code not in {530, 535, 538}), stage=st.sampled_from(WITHIN))
def test_outcome_before_the_data_is_never_accepted_nor_in_doubt(code: int, stage: Stage) -> None:
    kind = outcome_of_reply(code, "so it is", relay="main", stage=stage).kind
    assert kind is (OutcomeKind.REJECTED if code >= 500 else OutcomeKind.DEFERRED)


@given(code=st.integers(200, 599), text=st.text(max_size=60), stage=st.sampled_from(BEFORE))
def test_before_the_first_message_only_the_relay_is_at_fault(code: int, text: str, stage: Stage) -> None:
    with pytest.raises(RelayError, match=f"relay main: it answered {code}"):
        outcome_of_reply(code, text, relay="main", stage=stage)


@pytest.mark.parametrize("stage", WITHIN)
@pytest.mark.parametrize(
    ("code", "text"),
    [
        (530, "5.7.0 Authentication required"),
        (530, "Must issue a STARTTLS command first"),
        (535, "5.7.8 credentials invalid"),
        (538, "5.7.11 encryption required"),
        (550, "5.7.1 Client was not authenticated"),
        (550, "authentication required"),
        (553, "Please authenticate first"),
    ],
)
def test_demand_to_log_in_is_the_relays(code: int, text: str, stage: Stage) -> None:
    with pytest.raises(RelayError, match="wants a log-in or encryption first"):
        outcome_of_reply(code, text, relay="main", stage=stage)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (550, "5.7.26 not authenticated: fails SPF and DKIM"),
        (450, "4.7.0 authentication required"),
        (554, "5.7.1 relay access denied"),
    ],
)
def test_what_only_sounds_like_it_is_not(code: int, text: str) -> None:
    assert outcome_of_reply(code, text, relay="main", stage=Stage.MAIL).code == code


def test_text_is_kept_on_one_line_with_its_enhanced_code() -> None:
    outcome = outcome_of_reply(550, "5.1.1 no such\x00 user\n5.1.1 \x1b[31mhere", relay="main", stage=Stage.RCPT)
    assert (outcome.enhanced, outcome.text) == ("5.1.1", "5.1.1 no such user [31mhere")


def test_silence() -> None:
    for stage in WITHIN:
        outcome = outcome_of_break("timed out", relay="main", stage=stage)
        assert (outcome.kind, outcome.text) == (OutcomeKind.DEFERRED, f"no answer to {stage}: timed out")
    outcome = outcome_of_break("timed out", relay="main", stage=Stage.MESSAGE)
    assert (outcome.kind, outcome.text) == (OutcomeKind.IN_DOUBT, "no answer to the whole message: timed out")
    assert outcome_of_cut("broken pipe", relay="main").kind is OutcomeKind.DEFERRED
    assert not_sent("too large", enhanced="5.3.4", relay="main").kind is OutcomeKind.REJECTED


def test_what_goes_on() -> None:
    assert [code for code in (200, 250, 251, 299, 354, 421, 550) if goes_on(code, Stage.RCPT)] == [200, 250, 251, 299]
    assert [code for code in (250, 354, 421, 550) if goes_on(code, Stage.DATA)] == [354]
