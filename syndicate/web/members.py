"""The pages behind the links in our mails: confirm, unsubscribe (also one-click, RFC 8058), preferences.

A GET shows and a POST acts: link scanners follow every link. No log-in, cookie or CSRF token: the link is the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from syndicate.core.form_limits import network_of
from syndicate.core.links import Purpose, sign
from syndicate.core.topics import EVERYTHING, chosen_topics
from syndicate.errors import UnknownNameError, UsageError
from syndicate.model import Subscription, SubscriptionState
from syndicate.pipeline.members.confirming import confirm
from syndicate.pipeline.members.preferences import Preferences, Shown, change_preferences, show, show_all
from syndicate.pipeline.members.unsubscribing import undo, unsubscribe
from syndicate.web.choosing import frequencies, languages, often, topics_of, zones
from syndicate.web.forms import Form, read_form
from syndicate.web.pages import Pages

if TYPE_CHECKING:
    from syndicate.service.wiring import Services


class MemberPages:
    """The handlers, with what they need."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages
        self._languages = languages(services.templates)

    def routes(self) -> list[BaseRoute]:
        """One path, a GET and a POST each."""
        return [
            Route("/confirm/{token}", self.confirm_page, methods=["GET"]),
            Route("/confirm/{token}", self.confirm, methods=["POST"]),
            Route("/unsubscribe/{token}", self.unsubscribe_page, methods=["GET"]),
            Route("/unsubscribe/{token}", self.unsubscribe, methods=["POST"]),
            Route("/preferences/{token}", self.preferences_page, methods=["GET"]),
            Route("/preferences/{token}", self.preferences, methods=["POST"]),
        ]

    def confirm_page(self, request: Request) -> Response:
        """Say what is about to be confirmed, and offer the button."""
        shown = self._shown(request, Purpose.CONFIRM)
        speak = self._pages.language(request, shown.language)
        if shown.subscription.state is SubscriptionState.CONFIRMED:
            return self._confirmed(shown.subscription, speak)
        ended = shown.subscription.state is SubscriptionState.UNSUBSCRIBED
        return self._pages.render("confirm", speak=speak, **self._about(shown, speak) | {"ended": ended})

    async def confirm(self, request: Request) -> Response:
        """Confirm."""
        await read_form(request)
        return await run_in_threadpool(self._confirm, request)

    def _confirm(self, request: Request) -> Response:
        services = self._services
        kept = services.settings.privacy.record_optin_ip and request.client is not None
        network = network_of(request.client.host) if kept and request.client else None
        token = request.path_params["token"]
        subscription = confirm(services.database, services.keyring, token, now=services.clock(), network=network)
        return self._confirmed(
            subscription, self._pages.language(request, self._shown(request, Purpose.CONFIRM).language)
        )

    def unsubscribe_page(self, request: Request) -> Response:
        """Say what is about to be stopped, and offer the button; or what was stopped, and the undo button."""
        shown = self._all_shown(request)
        going = [each for each in shown if each.subscription.state is not SubscriptionState.UNSUBSCRIBED]
        return self._render_all("unsubscribe" if going else "unsubscribed", request, going or shown)

    async def unsubscribe(self, request: Request) -> Response:
        """Unsubscribe at once, or undo it. One-click requests get a short plain answer, no redirect (RFC 8058 3.2)."""
        form = await read_form(request)
        one_click = form.text("List-Unsubscribe") == "One-Click"
        if form.text("action") == "undo":
            return await run_in_threadpool(self._undo, request)
        return await run_in_threadpool(self._unsubscribe, request, one_click=one_click)

    def _unsubscribe(self, request: Request, *, one_click: bool) -> Response:
        services = self._services
        token = request.path_params["token"]
        via = "one_click" if one_click else "page"
        unsubscribe(services.database, services.keyring, token, now=services.clock(), via=via)
        if one_click:
            return PlainTextResponse("unsubscribed\n", headers={"cache-control": "no-store"})
        return self._render_all("unsubscribed", request, self._all_shown(request))

    def _undo(self, request: Request) -> Response:
        services = self._services
        undo(services.database, services.keyring, request.path_params["token"], now=services.clock())
        shown = self._all_shown(request)
        kept = [each for each in shown if each.subscription.state is SubscriptionState.CONFIRMED]
        return self._render_all("restored", request, kept or shown)

    def preferences_page(self, request: Request) -> Response:
        """Show what is chosen."""
        return self._preferences(request, self._shown(request, Purpose.PREFERENCES))

    async def preferences(self, request: Request) -> Response:
        """Change what is chosen, and show it as it stands then."""
        form = await read_form(request)
        return await run_in_threadpool(self._change, request, form)

    def _change(self, request: Request, form: Form) -> Response:
        services = self._services
        token = request.path_params["token"]
        try:
            shown = change_preferences(
                services.database, services.settings, services.keyring, token, _chosen(form), now=services.clock()
            )
        except UsageError as error:
            word = "problem_choice"
            if form.text("scope") == "some" and not form.texts("topic"):
                word = "problem_topics"
            elif "pause" in str(error) or " day;" in str(error):
                word = "problem_pause"
            return self._preferences(request, self._shown(request, Purpose.PREFERENCES), problem=word)
        return self._preferences(request, shown, saved=True)

    def _preferences(
        self, request: Request, shown: Shown, *, saved: bool = False, problem: str | None = None
    ) -> Response:
        speak = self._pages.language(request, shown.language)
        about = self._about(shown, speak)
        if about["ended"]:
            return self._pages.render("unsubscribed", speak=speak, **about | {"may_undo": False})
        settings, now = self._services.settings, self._services.clock()
        digest = settings.named_digest(shown.subscription.digest)
        chosen = chosen_topics(shown.subscription.topics)
        zone = ZoneInfo(shown.timezone or settings.digest_zone(shown.subscription.digest).key)
        until = shown.subscription.paused_until
        until = None if until is None or until <= now else until.astimezone(zone)
        today = now.astimezone(zone).date()
        choices: dict[str, Any] = {
            "frequencies": frequencies(self._pages, speak, digest),
            "topics": [(topic, topic.casefold() in chosen) for topic in digest.topics],
            "everything": chosen == [EVERYTHING],
            "languages": self._languages,
            "zones": zones(),
            "timezone": shown.timezone or "",
            "pause": "" if until is None else until.date().isoformat(),
            "paused": "" if until is None else self._pages.date(until, speak, zone),
            "pause_min": (today + timedelta(days=1)).isoformat(),
            "pause_max": (today + timedelta(days=365)).isoformat(),
            "script": self._pages.script,
            "saved": saved,
            "problem": self._pages.word(speak, problem) if problem else "",
        }
        status = 400 if problem else 200
        return self._pages.render("preferences", status=status, speak=speak, **about, **choices)

    def _confirmed(self, subscription: Subscription, speak: str) -> Response:
        return self._pages.render(
            "confirmed",
            speak=speak,
            digest=self._title(subscription),
            often=self._often(subscription, speak),
            preferences_url=self._link(Purpose.PREFERENCES, subscription),
        )

    def about(self, request: Request, purpose: Purpose) -> tuple[str, dict[str, Any]]:
        """The language of a link's page, and what its template shows. Raises TokenError and UnknownNameError."""
        shown = self._shown(request, purpose)
        speak = self._pages.language(request, shown.language)
        return speak, self._about(shown, speak)

    def _shown(self, request: Request, purpose: Purpose) -> Shown:
        services = self._services
        token = request.path_params["token"]
        shown = show(services.database, services.keyring, purpose, token, now=services.clock())
        if shown is None:
            raise UnknownNameError("this subscription does not exist any more")
        return shown

    def _all_shown(self, request: Request) -> list[Shown]:
        """What an unsubscribe link stands for: one subscription, or those of a mail for several digests."""
        services = self._services
        shown = show_all(services.database, services.keyring, request.path_params["token"], now=services.clock())
        if not shown:
            raise UnknownNameError("this subscription does not exist any more")
        return shown

    def _render_all(self, page: str, request: Request, shown: Sequence[Shown]) -> Response:
        speak = self._pages.language(request, shown[0].language)
        return self._pages.render(page, speak=speak, **self._about_all(shown, speak))

    def _about_all(self, shown: Sequence[Shown], speak: str) -> dict[str, Any]:
        """What a page says of them: of the first as of one alone, and each as one of ``parts``."""
        about = [self._about(each, speak) for each in shown]
        if len(about) == 1:
            return about[0]
        # Undone by the link that was followed, which stands for all of them.
        return about[0] | {
            "parts": about,
            "may_undo": any(each.may_undo for each in shown),
            "unsubscribe_url": "",
        }

    def _about(self, shown: Shown, speak: str) -> dict[str, Any]:
        subscription = shown.subscription
        return {
            "digest": self._title(subscription),
            "email": shown.masked_email,
            "name": shown.name,
            "language": shown.language or "",
            "frequency": subscription.frequency,
            "often": self._often(subscription, speak),
            "ended": subscription.state is SubscriptionState.UNSUBSCRIBED,
            "may_undo": shown.may_undo,
            "confirmed": subscription.state is SubscriptionState.CONFIRMED,
            "preferences_url": self._link(Purpose.PREFERENCES, subscription),
            "unsubscribe_url": self._link(Purpose.UNSUBSCRIBE, subscription),
            "parts": [],
        }

    def _title(self, subscription: Subscription) -> str:
        # Leaving must work for a digest that was taken out of the configuration, too.
        settings = self._services.settings
        return (
            settings.digest_title(subscription.digest)
            if subscription.digest in settings.digest
            else subscription.digest
        )

    def _often(self, subscription: Subscription, speak: str) -> str:
        return often(self._pages, speak, self._services.settings.digest.get(subscription.digest), subscription)

    def _link(self, purpose: Purpose, subscription: Subscription) -> str:
        return f"{self._pages.root}/{purpose}/{sign(self._services.keyring, purpose, subscription.id)}"


def _chosen(form: Form) -> Preferences:
    return Preferences(
        frequency=form.text("frequency"),
        topics=topics_of(form),
        name=form.text("name"),
        language=form.text("language"),
        timezone=form.text("timezone"),
        pause=form.text("pause"),
        catch_up=form.text("catch_up") is not None,
    )
