"""Asks our own public address as readers and mail programs do. No redirect is followed: mail programs follow none."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from syndicate.core.doctor.certificate import Certificate
from syndicate.errors import FetchError
from syndicate.io.certificates import certificate_of
from syndicate.io.guard import AGENT
from syndicate.io.smtp_opening import cause_of


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer: its status, the certificate it came under, and what time it was there."""

    status: int
    certificate: Certificate | None
    date: datetime | None


def ask(url: str, method: str = "GET", *, form: Mapping[str, str] | None = None, seconds: float = 8.0) -> Answered:
    """Ask once; certificates are judged as by this system (``SSL_CERT_FILE`` names others). Raises FetchError."""
    try:
        with (
            httpx.Client(verify=ssl.create_default_context(), timeout=seconds, trust_env=False) as client,
            client.stream(method, url, data=form, headers={"user-agent": AGENT}) as response,
        ):
            secured = response.extensions["network_stream"].get_extra_info("ssl_object")
            certificate = certificate_of(secured) if secured is not None else None
            return Answered(response.status_code, certificate, _date(response.headers.get("date")))
    except httpx.TimeoutException as error:
        raise FetchError(f"nobody answers within {seconds:g} s") from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise FetchError(f"nobody answers ({_cause(error)})") from error


def _cause(error: BaseException) -> str:
    inner = error
    while inner.__cause__ is not None or inner.__context__ is not None:
        inner = inner.__cause__ or inner.__context__  # type: ignore[assignment]
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {inner.verify_message}"
    return cause_of(inner) if isinstance(inner, Exception) else str(error)


def _date(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    return found.replace(tzinfo=found.tzinfo or UTC) if found else None
