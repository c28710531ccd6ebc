"""The sections of what readers, operators and other programs meet: sign-up, privacy, console, API, webhooks."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from syndicate.config.durations import Interval
from syndicate.config.rates import RateText
from syndicate.config.section import Section, Whole
from syndicate.config.values import (
    signing_key,
    web_address,
)
from syndicate.model import Rate, WebhookEvent


class Privacy(Section):
    """``[privacy]``: nothing is tracked; these bound what is kept."""

    record_optin_ip: bool = Field(
        default=False,
        description="Keep the network (/24, /48) that a sign-up and its confirmation came from, as a proof of consent",
    )
    unsubscribe_header: bool = Field(
        default=True, description="List-Unsubscribe and one-click (RFC 8058) in every digest"
    )
    confirm_link_valid: Interval = Field(default=timedelta(hours=72), description="How long a confirmation link works")
    count_feed_readers: bool = Field(
        default=True,
        description="Count readers of feeds by day: what hosted readers announce, and others by a daily salted hash",
    )


class Signup(Section):
    """``[signup]``: the form for new readers, and what keeps machines from using it."""

    enabled: bool = Field(default=True, description="Offer the form, here and for other sites")
    consent: str = Field(
        default="",
        max_length=1000,
        description="The sentence above the button, kept with each consent; by default one in the reader's language",
    )
    minimum_time: Interval = Field(
        default=timedelta(seconds=2), description="A form that is sent sooner is shown again: people take longer"
    )
    mails_per_day: Whole = Field(
        default=3, ge=1, le=100, description="Most confirmation mails to one address in 24 hours"
    )
    address_rate: RateText = Field(
        default=Rate(5, timedelta(hours=1)), description="Most sign-ups of one address; more are answered and ignored"
    )
    network_rate: RateText = Field(
        default=Rate(30, timedelta(hours=1)), description="Most sign-ups from one network (IPv4 /24, IPv6 /48)"
    )
    domain_rate: RateText = Field(
        default=Rate(1000, timedelta(hours=1)), description="Most sign-ups of addresses of one domain"
    )
    proof_of_work: bool = Field(
        default=False,
        description="Let the reader's browser compute for a second (ALTCHA); the form then needs a script",
    )
    check_mx: bool = Field(
        default=False,
        description="Ask the DNS whether the address's domain takes mail; without an answer it counts as if it does",
    )


class Api(Section):
    """``[api]``: the programming interface at /api/v1. Who may use it: ``syndicate tokens add``."""

    rate: RateText = Field(default=Rate(600, timedelta(minutes=1)), description="Most requests with one token")
    cors_origins: tuple[str, ...] = Field(
        default=(), description='Sites whose scripts may call the API, such as "https://cms.courier.example"'
    )

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            parts = urlsplit(web_address(origin))
            if parts.path or parts.query or parts.fragment or "@" in parts.netloc:
                raise ValueError(f'expected origins such as "https://cms.courier.example", not {origin!r}')
        return value


class Webhook(Section):
    """``[webhook.NAME]``: an address of yours that is told what happens."""

    url: str = Field(description="Where events are posted to")
    events: tuple[WebhookEvent, ...] = Field(min_length=1, description="What it is told of")
    secret: SecretStr | None = Field(
        default=None, description='What messages are signed with: "whsec_" and base64, or any text of 24 or more'
    )
    secret_file: Path | None = Field(default=None, description="A file that holds the secret")
    email: bool = Field(default=False, description="Put the reader's address into messages about readers")
    allow_private: bool = Field(default=False, description="The address may be in a private network or this machine")

    _address = field_validator("url")(web_address)

    @field_validator("secret")
    @classmethod
    def _strong(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            signing_key(value.get_secret_value())
        return value


class Admin(Section):
    """``[admin]``: the operators' console."""

    enabled: bool = Field(default=False, description="Serve the console at /admin")
    session_lifetime: Interval = Field(default=timedelta(hours=12), description="How long an operator stays logged in")
