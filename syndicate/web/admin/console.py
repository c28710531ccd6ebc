"""All places of the console, with who may go there; and its style sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import BaseRoute

from syndicate.service.figures import Figures
from syndicate.web.admin.frame import Frame
from syndicate.web.admin.growth import GrowthPlaces
from syndicate.web.admin.guard import Guard, Place
from syndicate.web.admin.importing import ImportPlaces
from syndicate.web.admin.integrations import IntegrationPlaces
from syndicate.web.admin.issues import IssuePlaces
from syndicate.web.admin.ledger import LedgerPlaces
from syndicate.web.admin.people import PeoplePlaces
from syndicate.web.admin.publishing import PublishingPlaces
from syndicate.web.admin.settings import SettingsPlaces
from syndicate.web.admin.standing import StandingPlaces
from syndicate.web.admin.suppressions import SuppressionPlaces

if TYPE_CHECKING:
    from syndicate.service.wiring import Services


class Console:
    """The routes; none at all while ``admin.enabled`` is off."""

    def __init__(self, services: Services) -> None:
        self._enabled = services.settings.admin.enabled
        self._services = services

    def places(self, guard: Guard) -> list[Place]:
        """Every route behind the sign-in."""
        services = self._services
        figures = Figures(services)
        return [
            *StandingPlaces(services, guard, figures).places(),
            *IssuePlaces(services, guard, figures).places(),
            *LedgerPlaces(services, guard, figures).places(),
            *PublishingPlaces(services, guard, figures).places(),
            *ImportPlaces(services, guard).places(),
            *PeoplePlaces(services, guard).places(),
            *SuppressionPlaces(services, guard).places(),
            *GrowthPlaces(services, guard, figures).places(),
            *IntegrationPlaces(services, guard).places(),
            *SettingsPlaces(services, guard).places(),
        ]

    def routes(self) -> list[BaseRoute]:
        """For the application."""
        if not self._enabled:
            return []
        frame = Frame(self._services.settings, self._services.templates)
        guard = Guard(self._services, frame)
        return [
            *(route for each in frame.static for route in each.routes()),
            *guard.sign_in_routes(),
            *(guard.route(place) for place in self.places(guard)),
        ]
