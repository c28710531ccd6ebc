"""What comes back: the sections ``[bounce]``, ``[mailbox.NAME]`` and ``[hook.NAME]`` of config.toml."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from syndicate.config.durations import Duration, Interval
from syndicate.config.section import Section, Whole
from syndicate.config.values import ip_literal, listen_address, tagged_mailbox, verifying_key

UNIX = "unix:"
#: The providers whose webhooks are understood (``core/hooks``).
Provider = Literal["ses", "postmark", "mailgun", "sendgrid", "brevo", "generic"]


class Bounce(Section):
    """``[bounce]``: where failures come back, and what follows from them."""

    return_path: str | None = Field(
        default=None, description="Envelope sender; +TOKEN is added to its local part (VERP)"
    )
    sending_ips: tuple[str, ...] = Field(
        default=(),
        description="Addresses that our mail leaves from: what doctor checks SPF and PTR for",
        json_schema_extra={"expected": 'a list of addresses such as ["192.0.2.10"]'},
    )
    hello_hostname: str | None = Field(default=None, description="The name we greet mail servers with (EHLO)")
    maildir: Path | None = Field(default=None, description="A Maildir where bounces arrive, read by syndicate run")
    lmtp: str | None = Field(
        default=None,
        description='Where syndicate run takes bounces by LMTP: "127.0.0.1:2424" or "unix:/run/syndicate/lmtp"',
    )
    scan_interval: Interval = Field(
        default=timedelta(minutes=1), description="How often the Maildir and each [mailbox.NAME] are looked into"
    )
    hard_count: Whole = Field(
        default=1, ge=1, description="So many issues that came back for a dead address suppress it"
    )
    text_count: Whole = Field(
        default=2,
        ge=1,
        description="The same where only words say that it is dead (no code, or 5.0.0), beside hard_count",
    )
    text_within: Duration = Field(default=timedelta(days=7), description="Such issues must be within this time")
    soft_count: Whole = Field(
        default=5, ge=0, description="So many issues in a row that came back for another reason suppress it; 0: never"
    )
    soft_over: Duration = Field(
        default=timedelta(days=14), description="Such issues must be spread over at least this time"
    )
    keep_evidence: Duration = Field(
        default=timedelta(days=90), description="How long the returned messages themselves are kept"
    )
    pause_hard: Whole = Field(
        default=10, ge=0, le=100, description="An issue pauses when so many per cent are dead addresses; 0: never"
    )
    pause_block: Whole = Field(
        default=10, ge=0, le=100, description="The same of refusals for our own fault (class block); 0: never"
    )
    pause_complaint: Whole = Field(default=10, ge=0, le=100, description="The same of complaints; 0: never")
    pause_least: Whole = Field(default=500, ge=1, description="But not before so many messages of it were answered")

    _addresses = field_validator("sending_ips")(lambda value: tuple(ip_literal(each) for each in value))
    _tagged = field_validator("return_path")(lambda value: value and tagged_mailbox(value))

    @field_validator("lmtp")
    @classmethod
    def _listen(cls, value: str | None) -> str | None:
        if not value or value.startswith(UNIX):
            if value == UNIX:
                raise ValueError('expected a path behind "unix:"')
            return value or None
        return listen_address(value)


class Mailbox(Section):
    """``[mailbox.NAME]``: a mailbox where bounces arrive, read by IMAP."""

    host: str = Field(min_length=1, description="The IMAP server", json_schema_extra={"expected": "a host name"})
    port: Whole | None = Field(default=None, ge=1, le=65535, description="By default 993 (TLS) or 143")
    tls_type: Literal["none", "STARTTLS", "TLS"] = Field(default="TLS", description="How the connection is encrypted")
    tls_skip_verify: bool = Field(default=False, description="Accept any certificate; only for tests")
    tls_ca_file: Path | None = Field(default=None, description="Certificates to trust instead of the system's (PEM)")
    username: str = Field(min_length=1, description="Name to log in with")
    password: SecretStr | None = Field(default=None, description="Password to log in with")
    password_file: Path | None = Field(default=None, description="A file that holds the password")
    folder: str = Field(default="INBOX", min_length=1, description="The folder where they arrive")
    move_to: str | None = Field(
        default=None, description="A folder that ours are moved to once they are applied; by default they are deleted"
    )
    timeout: Interval = Field(default=timedelta(seconds=60), description="For the connection and for each answer")

    @property
    def effective_port(self) -> int:
        return self.port or (993 if self.tls_type == "TLS" else 143)


class Hook(Section):
    """``[hook.NAME]``: /hooks/NAME, where a provider tells what came back."""

    provider: Provider = Field(description="Whose webhooks arrive there")
    secret: SecretStr | None = Field(
        default=None,
        description="mailgun: the signing key; postmark, brevo: the token or user:password; generic: as of [webhook]",
    )
    secret_file: Path | None = Field(default=None, description="A file that holds the secret")
    public_key: str | None = Field(default=None, description="sendgrid: the verification key of its event webhook")
    topic: str | None = Field(default=None, description="ses: the ARN of the SNS topic; others are refused")

    _key = field_validator("public_key")(lambda value: value and verifying_key(value))
