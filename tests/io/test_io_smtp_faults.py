"""Stage x fault -> outcome of the delivery, or error of the relay; and that nobody else pays for one bad recipient."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta

import pytest
from smtp_faults import Action, Close, CutData, FaultServer, Say, Silence, Stage, say

from syndicate.errors import RelayError
from syndicate.io.smtp import SmtpSender
from syndicate.io.smtp_connection import SmtpConnection
from syndicate.model import Envelope, Outcome, OutcomeKind

ACCEPTED, DEFERRED, REJECTED, IN_DOUBT = OutcomeKind
SENDER = "bounces+t0ken@courier.example"
DATA = b"Subject: News from the port\r\n\r\nThe night ferry returns.\r\n"
SHORT = timedelta(seconds=0.3)


def to(recipient: str = "ana@reader.example", data: bytes = DATA) -> Envelope:
    return Envelope(sender=SENDER, recipient=recipient, data=data)


Connect = Callable[..., SmtpConnection]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Opens connections to a server, with settings of its relay, and closes them after the test."""
    opened: list[SmtpConnection] = []

    def connect_to(server: FaultServer, **settings: object) -> SmtpConnection:
        opened.append(SmtpSender([server.relay(**settings)], "mail.courier.example").connect())
        return opened[-1]

    yield connect_to
    for connection in opened:
        connection.close()


TRANSACTION: list[tuple[Stage, Action, OutcomeKind, int | None]] = [
    # a temporary refusal defers, wherever it comes
    ("mail", say("451 4.3.0 later"), DEFERRED, 451),
    ("rcpt", say("450 4.2.0 greylisted"), DEFERRED, 450),
    ("rcpt", say("452 4.5.3 too many recipients"), DEFERRED, 452),
    ("data", say("451 4.3.0 later"), DEFERRED, 451),
    ("message", say("452 4.3.1 disk full"), DEFERRED, 452),
    # a refusal for good rejects
    ("mail", say("550 5.7.1 sender refused"), REJECTED, 550),
    ("rcpt", say("550 5.1.1 no such user"), REJECTED, 550),
    ("rcpt", say("599 what is this"), REJECTED, 599),
    ("data", say("554 5.5.1 no valid recipients"), REJECTED, 554),
    ("message", say("550-5.7.1 spam", "550 5.7.1 go away"), REJECTED, 550),
    # the server goes away politely
    ("mail", say("421 4.3.2 shutting down", then_close=True), DEFERRED, 421),
    ("rcpt", say("421 4.7.0 too many", then_close=True), DEFERRED, 421),
    ("data", say("421 shutting down", then_close=True), DEFERRED, 421),
    ("message", say("421 4.3.2 shutting down", then_close=True), DEFERRED, 421),
    # it goes away without a word: nothing is lost before the final dot, after it the delivery is in doubt
    ("mail", Close(), DEFERRED, None),
    ("rcpt", Close(), DEFERRED, None),
    ("data", Close(), DEFERRED, None),
    ("message", Close(), IN_DOUBT, None),
    ("mail", Close(reset=True), DEFERRED, None),
    ("rcpt", Close(reset=True), DEFERRED, None),
    ("data", Close(reset=True), DEFERRED, None),
    ("message", Close(reset=True), IN_DOUBT, None),
    ("mail", Silence(), DEFERRED, None),
    ("rcpt", Silence(), DEFERRED, None),
    ("data", Silence(), DEFERRED, None),
    ("message", Silence(), IN_DOUBT, None),
    # half a reply is none
    ("rcpt", say("250-half", then_close=True), DEFERRED, None),
    ("message", say("250-half", then_close=True), IN_DOUBT, None),
    # what is no reply, or has no place here
    ("mail", say("hello?"), DEFERRED, None),
    ("rcpt", say("25 OK"), DEFERRED, None),
    ("rcpt", say("250OK"), DEFERRED, None),
    ("data", say("250 OK"), DEFERRED, 250),
    ("data", say("354-go", "250 ahead"), DEFERRED, None),
    ("message", say("hello?"), IN_DOUBT, None),
    ("message", say("150 perhaps"), IN_DOUBT, None),
    ("message", say("354 more, please"), IN_DOUBT, 354),
    ("message", say("250-yes", "550 no"), IN_DOUBT, None),
    ("message", say("2" * 10_000), IN_DOUBT, None),
    # good replies in unusual clothes
    ("mail", say("250-2.1.0 one", "250-2.1.0 two", "250 2.1.0 three"), ACCEPTED, 250),
    ("rcpt", say("251 user not local; will forward"), ACCEPTED, 250),
    ("rcpt", say("250-2.1.5 in", "250 2.1.5 pieces", pause=0.001), ACCEPTED, 250),
    ("data", say("354 go", pause=0.001), ACCEPTED, 250),
    ("message", say("250-2.0.0 taken", "250 2.0.0 in pieces", pause=0.001), ACCEPTED, 250),
    ("message", say("250"), ACCEPTED, 250),
]


PLAIN = ("8BITMIME", "SIZE 33554432", "SMTPUTF8")
GROUPED = ("PIPELINING", *PLAIN)


def doubted(stage: Stage, action: Action, kind: OutcomeKind, code: int | None) -> bool:
    """Whether a relay that offers PIPELINING is tried again without it: silence or nonsense among grouped commands."""
    went_away = isinstance(action, Close) or (isinstance(action, Say) and action.then_close)
    return stage in {"rcpt", "data"} and kind is DEFERRED and code is None and not went_away


@pytest.mark.parametrize("features", [PLAIN, GROUPED], ids=["plain", "pipelining"])
@pytest.mark.parametrize(("stage", "action", "kind", "code"), TRANSACTION, ids=lambda value: str(value)[:40])
def test_fault_in_a_transaction(
    connect: Connect, features: tuple[str, ...], stage: Stage, action: Action, kind: OutcomeKind, code: int | None
) -> None:
    if features is GROUPED and doubted(stage, action, kind, code):
        kind, code = ACCEPTED, 250
    with FaultServer({stage: [action]}, features=features) as server:
        connection = connect(server, wait_timeout=SHORT)
        outcome = connection.send(to())
        after = connection.send(to("ben@reader.example"))
        connection.close()
    assert (outcome.kind, outcome.code) == (kind, code), outcome
    assert outcome.text or kind is ACCEPTED
    assert outcome.relay == f"127.0.0.1:{server.port}"
    assert after.kind is ACCEPTED, "the next recipient pays nothing"
    assert len(server.seen.messages) == 1 + (stage == "message" or kind is ACCEPTED)


@pytest.mark.parametrize(("stage", "action", "kind", "code"), TRANSACTION, ids=lambda value: str(value)[:40])
def test_fault_in_a_transaction_that_rides_with_the_data_before(
    connect: Connect, stage: Stage, action: Action, kind: OutcomeKind, code: int | None
) -> None:
    """What befalls the second of three messages, each announced with the data of the one before, is its own affair."""
    fine = {
        "mail": say("250 2.1.0 OK"),
        "rcpt": say("250 2.1.5 OK"),
        "data": say("354 go ahead"),
        "message": say("250 2.0.0 taken"),
    }
    envelopes = [to(f"{name}@reader.example", b"Subject: %d\r\n\r\nx\r\n" % n) for n, name in enumerate("abc")]
    with FaultServer({stage: [fine[stage], action]}, features=GROUPED) as server:
        connection = connect(server, wait_timeout=SHORT)
        first, second, third = (
            connection.send(envelope, following)
            for envelope, following in zip(envelopes, [*envelopes[1:], None], strict=True)
        )
        connection.close()
    assert (first.kind, third.kind) == (ACCEPTED, ACCEPTED)
    again = doubted(stage, action, kind, code) or (stage == "mail" and code in {None, 421})
    if (
        isinstance(action, Close) and action.reset
    ):  # a reset may overtake the reply to MAIL, and then it is its own matter
        again = second.kind is ACCEPTED
    assert (second.kind, second.code) == ((ACCEPTED, 250) if again else (kind, code)), second
    bodies = [message.split(b"\r\n")[0] for message in server.seen.messages]
    taken = second.kind is ACCEPTED or stage == "message"
    assert bodies == [b"Subject: 0", *([b"Subject: 1"] if taken else []), b"Subject: 2"], "each once, in order"


def test_a_group_saves_all_waits_but_one(connect: Connect) -> None:
    with FaultServer(features=GROUPED) as server:
        connection = connect(server)
        envelopes = [to(f"r{number}@reader.example") for number in range(3)]
        for envelope, following in zip(envelopes, [*envelopes[1:], None], strict=True):
            assert connection.send(envelope, following).kind is ACCEPTED
        connection.close()
    verbs = [command.split()[0] for command in server.seen.commands]
    assert verbs == ["EHLO", *["MAIL", "RCPT", "DATA"] * 3, "QUIT"]
    assert server.seen.recipients == ["r0@reader.example", "r1@reader.example", "r2@reader.example"]


def test_a_relay_that_loses_grouped_commands_is_served_one_by_one() -> None:
    with FaultServer(features=GROUPED, loses_grouped_commands=True) as server:
        sender = SmtpSender([server.relay(wait_timeout=SHORT)], "mail.courier.example")
        connection = sender.connect()
        outcomes = [connection.send(to(), to("ben@reader.example")), connection.send(to("ben@reader.example"))]
        connection.close()
        sessions = server.seen.connections
        other = sender.connect()
        outcomes.append(other.send(to("cara@reader.example")))
        other.close()
    assert [outcome.kind for outcome in outcomes] == [ACCEPTED] * 3
    assert sessions == 2, "the first one waited for replies in vain"
    assert server.seen.connections == 3, "once is enough for all connections to that relay"


def test_data_for_nobody_is_an_empty_message_that_is_not_taken(connect: Connect) -> None:
    with FaultServer({"rcpt": [say("550 5.1.1 no such user")]}, features=GROUPED, takes_data_for_nobody=True) as server:
        connection = connect(server)
        outcome = connection.send(to())
        assert connection.send(to("ben@reader.example")).kind is ACCEPTED
    assert (outcome.kind, outcome.code) == (REJECTED, 550)
    assert server.seen.connections == 1
    assert [message for message in server.seen.messages if b"ferry" not in message] == []


def test_a_relay_that_goes_away_in_groups_again_and_again_is_served_one_by_one(connect: Connect) -> None:
    with FaultServer({"rcpt": [Close()] * 3}, features=GROUPED) as server:
        connection = connect(server)
        outcomes = [connection.send(to(f"r{number}@reader.example")) for number in range(3)]
    assert [outcome.kind for outcome in outcomes] == [DEFERRED, DEFERRED, ACCEPTED]


def test_what_was_announced_and_is_not_sent_leaves_nothing(connect: Connect) -> None:
    with FaultServer(features=GROUPED) as server:
        connection = connect(server)
        assert connection.send(to(), to("never@reader.example")).kind is ACCEPTED
        assert connection.send(to("ben@reader.example")).kind is ACCEPTED
        connection.close()
    assert server.seen.connections == 2
    assert len(server.seen.messages) == 2


RELAY: list[tuple[Mapping[Stage, Action], str]] = [
    ({"banner": say("421 4.3.2 too busy")}, "421 4.3.2 too busy"),
    ({"banner": say("554 5.7.1 go away")}, "554 5.7.1 go away"),
    ({"banner": say("SSH-2.0-OpenSSH_9")}, "not a reply"),
    ({"banner": Close()}, "closed the connection"),
    ({"banner": Silence()}, "timed out"),
    ({"ehlo": say("502 5.5.1 what?")}, "check hello_hostname"),
    ({"ehlo": say("550 5.7.1 I do not like your name")}, "check hello_hostname"),
    ({"ehlo": Close(reset=True)}, "at EHLO"),
    ({"ehlo": Silence()}, "timed out"),
    ({"mail": say("530 5.7.0 Authentication required")}, "wants a log-in"),
    ({"mail": say("530 5.7.0 Must issue a STARTTLS command first")}, "wants a log-in"),
    ({"mail": say("535 5.7.8 credentials")}, "wants a log-in"),
    ({"rcpt": say("550 5.7.1 Client was not authenticated")}, "wants a log-in"),
]


@pytest.mark.parametrize(("script", "message"), RELAY, ids=lambda value: str(value)[:60])
def test_fault_of_the_relay(connect: Connect, script: Mapping[Stage, Action], message: str) -> None:
    with FaultServer(script) as server, pytest.raises(RelayError) as caught:
        connect(server, wait_timeout=SHORT).send(to())
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"relay 127.0.0.1:{server.port}: ")
    assert not server.seen.messages


def test_nobody_listens() -> None:
    with FaultServer() as server:
        relay = server.relay(name="main")
    with pytest.raises(RelayError, match=r"relay main: no connection to 127\.0\.0\.1 port \d+: Connection refused"):
        SmtpSender([relay]).connect()


def test_host_without_address(connect: Connect) -> None:
    with FaultServer() as server, pytest.raises(RelayError, match=r"no connection to no-such-host\.invalid"):
        connect(server, host="no-such-host.invalid")


def test_message_cut_off_by_a_refusal(connect: Connect) -> None:
    large = DATA + b"x" * 72 + b"\r\n" * 2_000_000
    with FaultServer({"message": [CutData(10_000, b"552 5.3.4 too large\r\n"), CutData(10_000)]}) as server:
        connection = connect(server)
        refused = connection.send(to(data=large))
        cut = connection.send(to(data=large))
        assert connection.send(to()).kind is ACCEPTED
    assert (refused.kind, refused.code) == (REJECTED, 552), "what was said before the reset is heard"
    assert (cut.kind, cut.code) == (DEFERRED, None)
    assert "could not be sent whole" in cut.text
    assert len(server.seen.messages) == 1


@pytest.mark.parametrize(
    ("features", "dialogue"),
    [(PLAIN, "E MRD MR RMR RMRD MRD Q"), (GROUPED, "E MRD MRD RMRD RMRD MRD Q")],
    ids=["plain", "pipelining"],
)
def test_reset_after_a_refusal_and_only_then(connect: Connect, features: tuple[str, ...], dialogue: str) -> None:
    script = {"rcpt": [say("250 OK"), say("550 5.1.1 no such user"), say("450 4.2.0 later")]}
    with FaultServer(script, features=features) as server:  # type: ignore[arg-type]
        connection = connect(server)
        kinds = [connection.send(to(f"r{number}@reader.example")).kind for number in range(5)]
        connection.close()
    assert kinds == [ACCEPTED, REJECTED, DEFERRED, ACCEPTED, ACCEPTED]
    verbs = [command.partition(" ")[0] for command in server.seen.commands]
    assert "".join(verb[0] for verb in verbs) == dialogue.replace(" ", "")
    assert server.seen.connections == 1


@pytest.mark.parametrize("reset", [say("500 no"), say("hello?"), Close(), Silence()], ids=str)
def test_failed_reset_costs_nobody(connect: Connect, reset: Action) -> None:
    with FaultServer({"rcpt": [say("550 5.1.1 no such user")], "rset": [reset]}) as server:
        connection = connect(server, wait_timeout=SHORT)
        assert connection.send(to()).kind is REJECTED
        assert connection.send(to("ben@reader.example")).kind is ACCEPTED
    assert server.seen.connections == 2


@pytest.mark.parametrize(
    "end",
    [
        Close(),
        Close(reset=True),
        say("421 enough messages", then_close=True),
    ],
    ids=str,
)
def test_session_ended_between_two_messages(connect: Connect, end: Action) -> None:
    with FaultServer({"mail": [say("250 OK"), end]}) as server:
        connection = connect(server)
        assert connection.send(to()).kind is ACCEPTED
        outcome = connection.send(to("ben@reader.example"))
    assert outcome.kind is ACCEPTED, "a new session did it"
    assert server.seen.connections == 2


def test_told_to_slow_down_between_two_messages(connect: Connect) -> None:
    with FaultServer({"mail": [say("250 OK"), say("421 4.7.28 unusual rate", then_close=True)]}) as server:
        connection = connect(server)
        assert connection.send(to()).kind is ACCEPTED
        outcome = connection.send(to("ben@reader.example"))
        assert not connection.usable
    assert (outcome.kind, outcome.code) == (DEFERRED, 421)
    assert server.seen.connections == 1, "no new session at once"


@pytest.mark.parametrize("word", [b"", b"421 4.4.2 idle for too long\r\n"])
def test_idle_session_ended_by_the_server_is_noticed(connect: Connect, word: bytes) -> None:
    with FaultServer({"message": [say("250 OK", then_close=True)]} if not word else {}) as server:
        connection = connect(server)
        connection.send(to())
        if word:
            next(iter(server._open)).connection.sendall(word)
        _wait_until(lambda: not connection.usable)
        assert connection.send(to("ben@reader.example")).kind is ACCEPTED
    assert server.seen.connections == 2


def _wait_until(holds: object) -> None:
    end = time.monotonic() + 5
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.005)


def test_answer_that_nobody_asked_for_is_not_taken_for_the_next(connect: Connect) -> None:
    with FaultServer({"rcpt": [say("250 OK", "354 go", "250 taken")]}) as server:
        connection = connect(server)
        outcome = connection.send(to())
        assert outcome.kind is DEFERRED
        assert not connection.usable
        assert connection.send(to()).kind is ACCEPTED


def test_dripping_server_does_not_hold_the_connection_for_ever(connect: Connect) -> None:
    with FaultServer({"message": say("250 " + "x" * 500, pause=0.02)}) as server:
        started = time.monotonic()
        outcome = connect(server, wait_timeout=SHORT).send(to())
    assert outcome.kind is IN_DOUBT
    assert time.monotonic() - started < 5


def test_used_up_after_its_messages(connect: Connect) -> None:
    with FaultServer() as server:
        connection = connect(server, messages_per_connection=2)
        usable = []
        for _ in range(5):
            assert connection.send(to()).kind is ACCEPTED
            usable.append(connection.usable)
        connection.close()
    assert usable == [True, False, True, False, True]
    assert server.seen.connections == 3
    assert server.seen.commands.count("QUIT") == 3


def test_idle_connection_is_not_used_again(connect: Connect) -> None:
    with FaultServer() as server:
        connection = connect(server, idle_timeout=timedelta(seconds=0.05))
        connection.send(to())
        time.sleep(0.06)
        assert not connection.usable
        assert connection.send(to()).kind is ACCEPTED
    assert server.seen.connections == 2


@pytest.mark.parametrize("reply", [Silence(), Close(), say("hello?")], ids=str)
def test_close_never_raises(connect: Connect, reply: Action) -> None:
    with FaultServer({"quit": reply}) as server:
        connection = connect(server)
        connection.send(to())
        connection.close()
        connection.close()
        assert not connection.usable


def test_size(connect: Connect) -> None:
    with FaultServer(features=["SIZE 100"]) as server:
        connection = connect(server)
        outcome = connection.send(to(data=b"x" * 99 + b"\r\n"))
        fits = connection.send(to(data=b"x" * 98 + b"\r\n"))
    assert (outcome.kind, outcome.code, outcome.enhanced) == (REJECTED, None, "5.3.4")
    assert outcome.text == "not sent: the message has 101 octets, the relay takes at most 100 (SIZE, RFC 1870)"
    assert fits.kind is ACCEPTED
    assert [command for command in server.seen.commands if command.startswith("MAIL")] == [
        f"MAIL FROM:<{SENDER}> SIZE=100"
    ]


def test_international_addresses(connect: Connect) -> None:
    with FaultServer(features=["SMTPUTF8", "8BITMIME"]) as server:
        connection = connect(server)
        assert connection.send(to("ana@bücher.example")).kind is ACCEPTED
        assert connection.send(to("jürgen@bücher.example")).kind is ACCEPTED
    assert server.seen.recipients == ["ana@xn--bcher-kva.example", "jürgen@xn--bcher-kva.example"]
    assert [command for command in server.seen.commands if command.startswith("MAIL")] == [
        f"MAIL FROM:<{SENDER}>",
        f"MAIL FROM:<{SENDER}> SMTPUTF8",
    ]


def test_international_address_at_an_old_relay(connect: Connect) -> None:
    with FaultServer(features=[]) as server:
        connection = connect(server)
        outcome = connection.send(to("jürgen@bücher.example"))
        assert connection.send(to("ana@bücher.example")).kind is ACCEPTED
    assert (outcome.kind, outcome.code, outcome.enhanced) == (REJECTED, None, "5.6.7")
    assert "SMTPUTF8" in outcome.text
    assert server.seen.recipients == ["ana@xn--bcher-kva.example"]


@pytest.mark.parametrize(
    "recipient",
    [
        "",
        "ana",
        "ana@",
        "a b@reader.example",
        "ana@reader.example>\r\nRCPT TO:<ben@reader.example",
        "<ana@reader.example>",
    ],
)
def test_what_is_no_address_never_reaches_the_wire(connect: Connect, recipient: str) -> None:
    with FaultServer() as server:
        connection = connect(server)
        outcome: Outcome = connection.send(to(recipient))
        assert connection.usable
    assert (outcome.kind, outcome.code, outcome.enhanced) == (REJECTED, None, "5.1.3")
    assert [command.partition(" ")[0] for command in server.seen.commands] == ["EHLO"]


def test_sender_that_is_no_address_is_a_fault_of_the_settings(connect: Connect) -> None:
    with FaultServer() as server, pytest.raises(RelayError, match=r"bounce\.return_path"):
        connect(server).send(Envelope(sender="bounces", recipient="ana@reader.example", data=DATA))


def test_null_return_path(connect: Connect) -> None:
    with FaultServer(features=[]) as server:
        connect(server).send(Envelope(sender="", recipient="ana@reader.example", data=DATA))
    assert "MAIL FROM:<>" in server.seen.commands


def test_greeting() -> None:
    with FaultServer() as server:
        SmtpSender([server.relay()], "mail.courier.example").connect().close()
        SmtpSender([server.relay(hello_hostname="relay.courier.example")], "mail.courier.example").connect().close()
        with pytest.raises(RelayError, match="hello_hostname"):
            SmtpSender([server.relay()], "mail courier").connect()
        SmtpSender([server.relay()]).connect().close()
    greetings = [command for command in server.seen.commands if command.startswith("EHLO")]
    assert greetings[:2] == ["EHLO mail.courier.example", "EHLO relay.courier.example"]
    assert "." in greetings[2], "a full name or an address literal"


def test_no_relay_at_all() -> None:
    with pytest.raises(RelayError, match=r"\[\[smtp\]\]"):
        SmtpSender([])
