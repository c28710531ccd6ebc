"""``/hooks/NAME``: each provider's genuine call is applied once; unsigned, altered, old and repeated ones are refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hook_calls
import pytest
from hook_calls import BREVO, CERTIFICATE, CONFIRM, GENERIC, MAILGUN, POSTMARK, TOPIC, Amazon, SendGrid
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from own_host import own_host
from publisher import Publisher
from starlette.testclient import TestClient

from syndicate.core.hooks import genuine, sns
from syndicate.core.hooks.providers import READERS
from syndicate.core.hooks.told import read_json
from syndicate.core.links import Purpose, message_id_token, sign_for_mail, tagged_address
from syndicate.errors import HookRefusedError
from syndicate.model import SubscriptionState
from syndicate.service.wiring import Services
from syndicate.store import subscribers
from syndicate.store.suppressions import suppressions
from syndicate.web.app import make_app

READER = "reader0@example.org"
UNKNOWN = "smtp; 550 5.1.1 user unknown"


class Site:
    """A paper that has sent one issue to two readers, with a hook of every provider."""

    def __init__(self, folder: Path) -> None:
        self.amazon, self.sendgrid = Amazon(), SendGrid()
        hooks = {
            "ses": {"topic": TOPIC},
            "sendgrid": {"public_key": self.sendgrid.public_key},
            "mailgun": {"secret": MAILGUN},
            "postmark": {"secret": POSTMARK},
            "brevo": {"secret": BREVO},
            "generic": {"secret": GENERIC},
        }
        lines = [
            f"[hook.{name}]\nprovider = {json.dumps(name)}\n"
            + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
            for name, keys in hooks.items()
        ]
        self.publisher = Publisher(folder, frequencies=("daily",), more="\n".join(lines)).write()
        self.publisher.article("a")
        for command in (
            ["poll"],
            ["subscribers", "import", str(self.publisher.readers(2)), "--confirmed"],
            ["send", "morning"],
        ):
            self.publisher.run(*command)
        self.now = datetime.now(UTC)
        self.services: Services = self.publisher.services(lambda: self.now)
        self.services.sns = self.amazon  # type: ignore[assignment]
        self.client = TestClient(make_app(self.services), own_host(self.services), raise_server_exceptions=False)

    @property
    def message_id(self) -> str:
        return f"{message_id_token(self.services.keyring, 1, 1)}@courier.example"

    @property
    def return_path(self) -> str:
        token = sign_for_mail(self.services.keyring, Purpose.BOUNCE, 1, 1)
        return tagged_address("bounces@courier.example", token)

    def post(self, name: str, document: Any, headers: dict[str, str] | None = None) -> int:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.client.post(f"/hooks/{name}", content=body, headers=headers or {}).status_code

    def listed(self) -> list[str]:
        with self.services.database.read() as session:
            return [one.reason.value for one in suppressions(session)]

    def states(self) -> list[SubscriptionState]:
        with self.services.database.read() as session:
            return [subscribers.subscriptions_of(session, [number])[number][0].state for number in (1, 2)]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.publisher.close()


def ses_bounce(site: Site, **mail: Any) -> dict[str, str]:
    inner = {
        "notificationType": "Bounce",
        "bounce": {
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [{"emailAddress": READER, "status": "5.1.1", "diagnosticCode": UNKNOWN}],
        },
        "mail": {"source": site.return_path, **mail},
    }
    return site.amazon.message(inner)


Call = Callable[[Site, bool], tuple[Any, dict[str, str]]]


def ses(site: Site, complaint: bool) -> tuple[Any, dict[str, str]]:
    if not complaint:
        return ses_bounce(site), {}
    told = {"complainedRecipients": [{"emailAddress": "redacted@example.org"}]}
    mail = {"headers": [{"name": "Message-ID", "value": f"<{site.message_id}>"}]}
    return site.amazon.message({"eventType": "Complaint", "complaint": told, "mail": mail}), {}


def sendgrid(site: Site, complaint: bool) -> tuple[Any, dict[str, str]]:
    bounce = {"event": "bounce", "type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 user unknown"}
    kind = {"event": "spamreport"} if complaint else bounce
    body = json.dumps([{"email": READER, "smtp-id": f"<{site.message_id}>", **kind}, {"event": "open"}]).encode()
    return body, site.sendgrid.headers(body)


def mailgun(site: Site, complaint: bool) -> tuple[Any, dict[str, str]]:
    status = {"code": 550, "message": "5.1.1 user unknown"}
    bounce = {"event": "failed", "severity": "permanent", "reason": "bounce", "delivery-status": status}
    kind = {"event": "complained"} if complaint else bounce
    message = {"message": {"headers": {"message-id": site.message_id}}}
    return hook_calls.mailgun({"recipient": READER, **message, **kind}), {}


def postmark(site: Site, complaint: bool) -> tuple[Any, dict[str, str]]:
    # Postmark gives messages an id of its own: the address must do.
    bounce = {"RecordType": "Bounce", "Type": "HardBounce", "Details": "smtp;550 5.1.1 user unknown"}
    kind = {"RecordType": "SpamComplaint"} if complaint else bounce
    return {"Email": READER, "MessageID": "0a1b", **kind}, hook_calls.basic(POSTMARK)


def brevo(site: Site, complaint: bool) -> tuple[Any, dict[str, str]]:
    kind = {"event": "spam"} if complaint else {"event": "hard_bounce", "reason": "550 5.1.1 user unknown"}
    document = {"email": READER, "message-id": f"<{site.message_id}>", **kind}
    return document, {"authorization": f"Bearer {BREVO}"}


def generic(site: Site, complaint: bool) -> tuple[Any, dict[str, str]]:
    kind = {"type": "complaint"} if complaint else {"type": "bounce", "status": "5.1.1", "text": "user unknown"}
    body = json.dumps({"events": [{"recipient": READER, "return_path": site.return_path, **kind}]}).encode()
    return body, hook_calls.generic(body)


CALLS: dict[str, Call] = {
    "ses": ses,
    "sendgrid": sendgrid,
    "mailgun": mailgun,
    "postmark": postmark,
    "brevo": brevo,
    "generic": generic,
}


@pytest.mark.parametrize("name", CALLS)
def test_a_bounce_suppresses_and_is_taken_once(site: Site, name: str) -> None:
    document, headers = CALLS[name](site, False)
    assert site.post(name, document, headers) == 200
    assert site.listed() == ["hard"]
    assert site.post(name, document, headers) == 409
    assert site.states() == [SubscriptionState.CONFIRMED] * 2


@pytest.mark.parametrize("name", CALLS)
def test_a_complaint_ends_her_subscriptions(site: Site, name: str) -> None:
    document, headers = CALLS[name](site, True)
    assert site.post(name, document, headers) == 200
    assert (site.listed(), site.states()[0]) == (["complaint"], SubscriptionState.UNSUBSCRIBED)
    assert site.states()[1] is SubscriptionState.CONFIRMED


@pytest.mark.parametrize("name", CALLS)
def test_what_is_not_signed_or_altered_is_refused(site: Site, name: str) -> None:
    document, headers = CALLS[name](site, False)
    if name == "ses":
        altered = document | {"Message": document["Message"].replace("Permanent", "Transient")}
        unsigned: Any = {key: value for key, value in document.items() if key != "Signature"}
        wrong: dict[str, str] = {}
    elif name == "mailgun":
        altered = document | {"signature": document["signature"] | {"token": "x" * 50}}
        unsigned, wrong = {"event-data": document["event-data"]}, {}
    elif name in {"postmark", "brevo"}:
        altered, unsigned, wrong = document, document, {"authorization": "Bearer wrong"}
    else:
        altered, unsigned, wrong = document.replace(b"5.1.1", b"5.1.2"), document, headers
    assert site.post(name, altered, wrong) == 401
    assert site.post(name, unsigned) == 401
    assert site.listed() == []
    assert site.post(name, document, headers) == 200  # the genuine one is not hindered by them


@pytest.mark.parametrize("name", ["ses", "sendgrid", "mailgun", "generic"])
def test_what_was_signed_long_ago_is_refused(site: Site, name: str) -> None:
    document, headers = CALLS[name](site, False)
    site.now += timedelta(days=2)
    assert site.post(name, document, headers) == 401
    assert site.listed() == []


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem",
        "https://evil.example/sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem",
        "https://evil.example#sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/x.pem",
        "https://bucket.s3.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com\\@evil.example/x.pem",
        "https://sns.eu-west-1.amazonaws.com/x.txt",
        "file:///etc/passwd.pem",
        "https://127.0.0.1/x.pem",
        "",
    ],
)
def test_a_certificate_is_asked_of_amazon_alone(site: Site, url: str) -> None:
    document = site.amazon.sign(ses_bounce(site) | {"SigningCertURL": url})
    assert site.post("ses", document) == 401
    assert (site.amazon.asked, site.listed()) == ([], [])


def test_a_subscription_of_our_topic_is_confirmed_at_amazon_alone(site: Site) -> None:
    amazon = site.amazon
    assert site.post("ses", amazon.message({}, kind="SubscriptionConfirmation")) == 200
    assert amazon.confirmed == [CONFIRM]
    for number, url in enumerate(
        ["https://evil.example/", "http://sns.eu-west-1.amazonaws.com/", "file:///etc/passwd"]
    ):
        hostile = amazon.message({}, kind="SubscriptionConfirmation", SubscribeURL=url, MessageId=f"h{number}")
        assert site.post("ses", hostile) == 401
    other = amazon.message({}, kind="SubscriptionConfirmation", TopicArn="arn:aws:sns:eu-west-1:1:other", MessageId="o")
    assert site.post("ses", other) == 401
    unsigned = amazon.message({}, kind="SubscriptionConfirmation", MessageId="u") | {"Signature": "AAAA"}
    assert site.post("ses", unsigned) == 401
    assert amazon.confirmed == [CONFIRM]
    assert set(amazon.asked) == {CERTIFICATE}


def test_a_token_of_another_and_a_stranger_count_for_nothing(site: Site) -> None:
    event = {"type": "hard", "status": "5.1.1", "text": "x", "recipient": "stranger@example.org"}
    forged = "A" * 39 + "@courier.example"
    body = json.dumps({"events": [event | {"message_id": f"<{forged}>"}, event]}).encode()
    assert site.post("generic", body, hook_calls.generic(body)) == 200
    assert site.listed() == []


def test_signs_that_no_database_takes_are_no_trouble(site: Site) -> None:
    event = {"type": "soft", "status": "\ud800", "text": "a\x00b \ud800", "return_path": site.return_path}
    body = json.dumps([event]).encode()
    assert site.post("generic", body, hook_calls.generic(body)) == 200


def test_our_own_fault_suppresses_nobody_whatever_the_provider_calls_it(site: Site) -> None:
    event = {"type": "hard", "status": "5.7.1", "text": "rejected as spam", "return_path": site.return_path}
    body = json.dumps([event]).encode()
    assert site.post("generic", body, hook_calls.generic(body)) == 200
    assert site.listed() == []


def test_who_leaves_by_her_provider_leaves_this_digest(site: Site) -> None:
    event = {"event": "unsubscribed", "recipient": READER, "message": {"headers": {"message-id": site.message_id}}}
    assert site.post("mailgun", hook_calls.mailgun(event)) == 200
    assert site.states() == [SubscriptionState.UNSUBSCRIBED, SubscriptionState.CONFIRMED]
    assert site.listed() == []


def test_what_has_no_hook_is_no_page_and_nothing_is_read_by_get(site: Site) -> None:
    assert site.post("nothing", {}) == 404
    assert site.client.get("/hooks/ses").status_code == 405
    assert site.post("brevo", b"x" * 5_000_001) == 413
    assert site.post("brevo", b"{", {"authorization": f"Bearer {BREVO}"}) == 401


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "event-data",
                    "event",
                    "Type",
                    "Message",
                    "RecordType",
                    "events",
                    "type",
                    "mail",
                    "bounce",
                    "email",
                    "Email",
                    "bouncedRecipients",
                    "notificationType",
                    "headers",
                    "delivery-status",
                    "recipient",
                    "message",
                ]
            ),
            inner | st.sampled_from(["Bounce", "failed", "bounce", "hard", "complained", "spam", "a@b.example"]),
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_no_document_upsets_a_reader(document: Any) -> None:
    for name, reader in READERS.items():
        try:
            reader({"Message": json.dumps(document)} if name == "ses" else document)
        except HookRefusedError:
            assert name == "ses"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60), st.text(max_size=60), st.binary(max_size=60))
def test_no_signature_is_guessed_and_none_upsets_us(one: str, two: str, body: bytes) -> None:
    now = datetime.now(UTC)
    headers = {
        "authorization": f"Basic {one}",
        "webhook-id": one,
        "webhook-timestamp": two,
        "webhook-signature": f"v1,{one}",
        "x-twilio-email-event-webhook-signature": base64.b64encode(body).decode(),
        "x-twilio-email-event-webhook-timestamp": two,
    }
    document = {
        "signature": {"timestamp": two, "token": one, "signature": two},
        "Type": "Notification",
        "TopicArn": "t",
    }
    checks: list[Callable[[], object]] = [
        lambda: genuine.password(headers, body, BREVO),
        lambda: genuine.generic(headers, body, GENERIC, now),
        lambda: genuine.mailgun(document, MAILGUN, now),
        lambda: genuine.sendgrid(headers, body, SendGrid().public_key, now),
        lambda: sns.verify(document | {"SigningCertURL": one}, "t", lambda _url: body, now),
        lambda: read_json(b"[" * 100_000),
    ]
    for check in checks:
        with pytest.raises(HookRefusedError):
            check()
