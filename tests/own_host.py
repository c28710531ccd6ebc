"""The address that a test's client asks a service under: pages answer under their own name alone."""

from __future__ import annotations

from urllib.parse import urlsplit

from syndicate.service.wiring import Services


def own_host(services: Services) -> str:
    parts = urlsplit(services.settings.service.public_url)
    return f"{parts.scheme}://{parts.netloc}"
