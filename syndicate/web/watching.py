"""What a process without pages answers to those who watch it: ``/healthz``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.types import ASGIApp

from syndicate.service.metrics import Metrics
from syndicate.service.wiring import Services
from syndicate.web.health import Health
from syndicate.web.metrics import MetricsPage
from syndicate.web.security import SecurityHeaders


def make_watch_app(services: Services) -> ASGIApp:
    """The application; ``[service] metrics`` says who may read the numbers, as everywhere."""
    routes = [*Health(services).routes(), *MetricsPage(services, Metrics(services)).routes()]
    return SecurityHeaders(Starlette(routes=routes))
