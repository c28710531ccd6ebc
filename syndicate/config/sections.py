"""The sections of config.toml as frozen pydantic models: names, types, defaults, and what each key is for.

Feeds and digests stand in ``publications.py``, sources in ``sources.py``; reading and reporting lives in ``load.py``.
"""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge
from pydantic import Field, SecretStr, field_validator

from syndicate.config.durations import Duration, Interval, Size
from syndicate.config.publications import PER, WEEKDAYS, Digest, Feed, Selection
from syndicate.config.rates import RateText
from syndicate.config.returns import Bounce, Hook, Mailbox
from syndicate.config.section import Section, Whole
from syndicate.config.values import (
    absolute_url,
    bare_address,
    domain_name,
    ledger_address,
    listen_address,
    network,
    selector,
    sender,
    web_address,
    zone_name,
)
from syndicate.config.web_sections import Admin, Api, Privacy, Signup, Webhook

__all__ = [
    "PER",
    "WEEKDAYS",
    "Admin",
    "Api",
    "Bounce",
    "Delivery",
    "Digest",
    "Dkim",
    "Feed",
    "Hook",
    "Mailbox",
    "Privacy",
    "Relay",
    "Section",
    "Selection",
    "Service",
    "Signup",
    "Site",
    "Throttle",
    "Webhook",
]


class Site(Section):
    """``[site]``: who publishes."""

    title: str = Field(default="", description="The paper's name, in feeds, mails and pages")
    url: str = Field(default="", description="The site where the articles live; feeds and mails link to it")
    description: str = Field(default="", description="One line about the paper, for feeds and pages")
    language: str = Field(
        default="en",
        pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$",
        description="The language of the paper, as a BCP 47 tag",
        json_schema_extra={"expected": 'a language tag such as "en" or "pt-BR"'},
    )
    timezone: str = Field(default="UTC", description="The zone of send times and of dates that name none")
    publisher: str = Field(default="", description="Who publishes the paper, in feeds and at the foot of mails")
    copyright: str = Field(default="", description='Rights line of the feeds, such as "© Harbour Media"')
    icon: str | None = Field(
        default=None, description="Address of a square picture of 512 pixels or more, for readers of feeds"
    )
    logo: str | None = Field(
        default=None, description="Address of a picture twice as wide as high, for readers of feeds"
    )
    favicon: str | None = Field(
        default=None, description="Address of a square picture of 64 pixels or so, for lists of feeds"
    )
    postal_address: str = Field(
        default="", description="Stands at the foot of every digest; CAN-SPAM and others want one"
    )
    tag_authority: str = Field(
        default="",
        pattern=r"^$|^[a-z0-9@.-]+,\d{4}(-\d\d(-\d\d)?)?$",
        description="Domain and date of the articles' permanent tag: ids (RFC 4151); by default the domain of url",
        json_schema_extra={"expected": 'a domain and a date such as "courier.example,2026"'},
    )

    _zone = field_validator("timezone")(zone_name)
    _absolute = field_validator("url")(absolute_url)
    _pictures = field_validator("icon", "logo", "favicon")(lambda value: value and web_address(value))


class Service(Section):
    """``[service]``: this process and its files."""

    public_url: str = Field(
        default="http://127.0.0.1:8000", description="Where readers reach this service: links, feeds, one-click"
    )
    listen: str = Field(default="127.0.0.1:8000", description="Address and port that the web part listens on")
    database: str = Field(
        default="sqlite:///subscribers.db",
        repr=False,
        description="sqlite:///FILE or postgresql://user:password@host/name",
    )
    database_file: Path | None = Field(default=None, description="A file that holds the database's address")
    secret_key_file: Path = Field(
        default=Path("secret.key"), description="The keys of links and cookies; made at first start"
    )
    feeds_dir: Path = Field(default=Path("feeds"), description="Where feed documents are written")
    templates_dir: Path = Field(default=Path("templates"), description="The templates of digests, mails and pages")
    heartbeat_url: str | None = Field(
        default=None, repr=False, description="Asked (GET) after every healthy interval: a dead-man alarm"
    )
    heartbeat_url_file: Path | None = Field(default=None, description="A file that holds heartbeat_url")
    heartbeat_interval: Interval = Field(default=timedelta(minutes=1), description="How often heartbeat_url is asked")
    alarm_after: Interval = Field(
        default=timedelta(hours=1), description="A due run or source late by this is an alarm"
    )
    min_free_disk: Size = Field(default=200_000_000, description="Below this, sending and feed building stop")
    operator: str | None = Field(
        default=None, description="Who is written to when an issue pauses or mail is refused: a bare mail address"
    )
    log_format: Literal["text", "json"] = Field(default="text", description="Lines for people, or JSON objects")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least that is logged"
    )
    keep_editions: Duration = Field(
        default=timedelta(days=365), description="How long bodies of finished issues are kept"
    )
    keep_deliveries: Duration = Field(
        default=timedelta(days=730), description="How long rows of finished issues are kept"
    )
    keep_versions: Duration = Field(
        default=timedelta(days=365), description="How long older versions of articles are kept"
    )

    keep_webhooks: Duration = Field(
        default=timedelta(days=30), description="How long it is kept what was sent to webhooks, and every attempt"
    )
    metrics: Literal["local", "token", "off"] = Field(
        default="local",
        description="Who may read /metrics: this machine alone, a token with the scope metrics:read, nobody",
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=(), description="Other host names that pages are asked under, beside that of public_url"
    )
    trusted_proxies: tuple[str, ...] = Field(
        default=("127.0.0.1", "::1"), description="Proxies whose X-Forwarded-For is believed: addresses or networks"
    )
    trusted_networks: tuple[str, ...] = Field(
        default=(),
        description="Private networks that WebSub may call (callbacks of our hub, hubs of others), such as 10.0.0.0/8",
    )

    _listen = field_validator("listen")(listen_address)
    _ledger = field_validator("database")(ledger_address)
    _networks = field_validator("trusted_networks", "trusted_proxies")(
        lambda value: tuple(network(each) for each in value)
    )
    _hosts = field_validator("allowed_hosts")(lambda value: tuple(domain_name(each) for each in value))
    _operator = field_validator("operator")(lambda value: value and bare_address(value))
    _heartbeat = field_validator("heartbeat_url")(lambda value: value and web_address(value))

    @field_validator("public_url")
    @classmethod
    def _public(cls, value: str) -> str:
        if not value:
            raise ValueError('expected an absolute address such as "https://news.courier.example"')
        return absolute_url(value)

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """``trusted_networks`` as networks."""
        return tuple(ip_network(each) for each in self.trusted_networks)

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]") or "127.0.0.1"

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])


class Delivery(Section):
    """``[delivery]``: how digests leave."""

    transport: Literal["maildir", "smtp"] = Field(default="maildir", description="Into a Maildir, or through [[smtp]]")
    outbox: Path = Field(default=Path("outbox"), description="The Maildir of transport maildir")
    from_: str = Field(default="", alias="from", description="The sender that readers see: Name <address>")
    confirm_from: str | None = Field(default=None, description="Sender of confirmation mails; by default from")
    reply_to: str | None = Field(default=None, description="Where answers of readers go; by default to the sender")
    in_doubt: Literal["ask", "resend", "skip"] = Field(
        default="ask", description="What happens to a delivery whose answer was lost in a crash"
    )
    retry: tuple[Interval, ...] = Field(
        default=tuple(timedelta(minutes=m) for m in (5, 15, 30, 60, 120, 240)),
        min_length=1,
        description="Waits before a deferred delivery is tried again; the last one repeats",
        json_schema_extra={"expected": 'a list of durations such as ["5m", "15m", "1h"]'},
    )
    give_up_after: Interval = Field(
        default=timedelta(days=2), description="A delivery deferred for so long is rejected"
    )

    _senders = field_validator("from_", "confirm_from", "reply_to")(lambda value: value and sender(value))


class Relay(Section):
    """``[[smtp]]``: a mail server that takes our messages."""

    name: str | None = Field(default=None, description="What reports call it; by default host:port")
    host: str = Field(min_length=1, description="Host name or address", json_schema_extra={"expected": "a host name"})
    port: Whole = Field(default=25, ge=1, le=65535, description="25, 587 (STARTTLS) or 465 (TLS)")
    tls_type: Literal["none", "STARTTLS", "TLS"] = Field(
        default="STARTTLS", description="How the connection is encrypted"
    )
    tls_skip_verify: bool = Field(default=False, description="Accept any certificate; only for tests")
    tls_ca_file: Path | None = Field(default=None, description="Certificates to trust instead of the system's (PEM)")
    auth_protocol: Literal["none", "login", "plain", "cram"] | None = Field(
        default=None, description="How to log in; by default what the server offers when username is set"
    )
    username: str | None = Field(default=None, description="Name to log in with")
    password: SecretStr | None = Field(default=None, description="Password to log in with")
    password_file: Path | None = Field(default=None, description="A file that holds the password")
    hello_hostname: str | None = Field(default=None, description="Our name in EHLO; by default bounce.hello_hostname")
    max_conns: Whole = Field(default=10, ge=1, le=200, description="Connections at one time")
    messages_per_connection: Whole = Field(default=500, ge=1, description="After so many a connection is opened anew")
    connect_timeout: Interval = Field(default=timedelta(seconds=20), description="For the connection to stand")
    wait_timeout: Interval = Field(default=timedelta(minutes=5), description="For each reply (RFC 5321 4.5.3.2)")
    idle_timeout: Interval = Field(
        default=timedelta(seconds=15), description="An unused connection is closed after this"
    )
    weight: Whole = Field(
        default=1, ge=1, le=1000, description="This server's share of the messages, beside the weights of the others"
    )
    rate: RateText | None = Field(default=None, description='Most messages in a time, such as "5000/1h"')
    warm_up: tuple[Annotated[Whole, Ge(1)], ...] = Field(
        default=(),
        description="Most messages on day 1, day 2 and so on of a new server, from its first one; then no limit",
        json_schema_extra={"expected": "a list of whole numbers such as [200, 500, 1000]"},
    )

    @property
    def label(self) -> str:
        return self.name or f"{self.host}:{self.port}"


class Throttle(Section):
    """``[throttle."DOMAIN"]``: limits of one destination."""

    rate: RateText | None = Field(default=None, description='Most messages in a time, such as "100/1m"')
    connections: Whole | None = Field(default=None, ge=1, description="Most messages that are being sent at one time")
    also: tuple[str, ...] = Field(default=(), description="Other domains of the same provider, under the same limits")

    _domains = field_validator("also")(lambda value: tuple(domain_name(each) for each in value))


class Dkim(Section):
    """``[dkim]``: signing keys by selector."""

    domain: str | None = Field(default=None, description="The domain that signs; by default that of delivery.from")
    keys: dict[str, Path] = Field(
        default={},
        description="selector = file of the private key; the first of each kind (RSA, Ed25519) signs. None: unsigned",
        json_schema_extra={"expected": 'a table such as { s2026 = "keys/s2026.pem" }'},
    )

    _domain = field_validator("domain")(lambda value: value and domain_name(value))
    _selectors = field_validator("keys")(lambda value: {selector(name): path for name, path in value.items()})
