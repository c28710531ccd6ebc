"""The pages behind the links in our mails: confirm, unsubscribe (also one-click, RFC 8058), preferences.

A GET shows and a POST acts: link scanners follow every link. No log-in, cookie or CSRF token: the link is the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from babel import Locale, UnknownLocaleError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from syndicate.core.links import Purpose, sign
from syndicate.core.render.words import FOLDER as WORDS
from syndicate.core.topics import EVERYTHING, chosen_topics
from syndicate.errors import UnknownNameError, UsageError
from syndicate.model import Frequency, Subscription, SubscriptionState
from syndicate.pipeline.members.confirming import confirm
from syndicate.pipeline.members.preferences import Preferences, Shown, change_preferences, show, show_all
from syndicate.pipeline.members.unsubscribing import undo, unsubscribe
from syndicate.web.forms import Form, read_form
from syndicate.web.pages import Pages

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

_FREQUENCIES = {
    Frequency.INSTANT: "As soon as something appears",
    Frequency.DAILY: "Once a day",
    Frequency.WEEKLY: "Once a week",
    Frequency.MONTHLY: "Once a month",
}


class MemberPages:
    """The handlers, with what they need."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages
        self._languages = _languages(services.templates)

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
        if shown.subscription.state is SubscriptionState.CONFIRMED:
            return self._confirmed(shown.subscription)
        ended = shown.subscription.state is SubscriptionState.UNSUBSCRIBED
        return self._pages.render("confirm", **self._about(shown), ended=ended)

    async def confirm(self, request: Request) -> Response:
        """Confirm."""
        await read_form(request)
        token = request.path_params["token"]
        services = self._services
        subscription = await run_in_threadpool(
            confirm, services.database, services.keyring, token, now=services.clock()
        )
        return self._confirmed(subscription)

    def unsubscribe_page(self, request: Request) -> Response:
        """Say what is about to be stopped, and offer the button; or what was stopped, and the undo button."""
        shown = self._all_shown(request)
        going = [each for each in shown if each.subscription.state is not SubscriptionState.UNSUBSCRIBED]
        if not going:
            return self._pages.render("unsubscribed", **self._about_all(shown))
        return self._pages.render("unsubscribe", **self._about_all(going))

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
        return self._pages.render("unsubscribed", **self._about_all(self._all_shown(request)))

    def _undo(self, request: Request) -> Response:
        services = self._services
        undo(services.database, services.keyring, request.path_params["token"], now=services.clock())
        shown = self._all_shown(request)
        kept = [each for each in shown if each.subscription.state is SubscriptionState.CONFIRMED]
        return self._pages.render("restored", **self._about_all(kept or shown))

    def preferences_page(self, request: Request) -> Response:
        """Show what is chosen."""
        return self._preferences(self._shown(request, Purpose.PREFERENCES))

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
            return self._preferences(self._shown(request, Purpose.PREFERENCES), problem=str(error))
        return self._preferences(shown, saved=True)

    def _preferences(self, shown: Shown, *, saved: bool = False, problem: str | None = None) -> Response:
        if shown.subscription.state is SubscriptionState.UNSUBSCRIBED:
            return self._pages.render("unsubscribed", **self._about(shown) | {"may_undo": False})
        digest = self._services.settings.named_digest(shown.subscription.digest)
        chosen = chosen_topics(shown.subscription.topics)
        topics = [(topic, topic.casefold() in chosen) for topic in digest.topics]
        choices: dict[str, Any] = {
            "frequencies": []
            if digest.schedule
            else [(frequency, _FREQUENCIES[frequency]) for frequency in digest.frequencies],
            "topics": topics,
            "everything": chosen == [EVERYTHING],
            "languages": self._languages,
            "articles_too": bool(digest.language_choice),
            # Asked only where it decides when the mail comes.
            "zones": _zones() if digest.timezone == "subscriber" else [],
            "saved": saved,
            "problem": problem,
        }
        status = 400 if problem else 200
        return self._pages.render("preferences", status=status, **self._about(shown), **choices)

    def _confirmed(self, subscription: Subscription) -> Response:
        return self._pages.render(
            "confirmed",
            digest=self._title(subscription),
            often=self._often(subscription),
            preferences_url=self._link(Purpose.PREFERENCES, subscription),
        )

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

    def _about_all(self, shown: Sequence[Shown]) -> dict[str, Any]:
        """What a page says of them: of the first as of one alone, and each as one of ``parts``."""
        about = [self._about(each) for each in shown]
        if len(about) == 1:
            return about[0]
        # Undone by the link that was followed, which stands for all of them.
        return about[0] | {
            "parts": about,
            "may_undo": any(each.may_undo for each in shown),
            "unsubscribe_url": "",
        }

    def _about(self, shown: Shown) -> dict[str, Any]:
        subscription = shown.subscription
        return {
            "digest": self._title(subscription),
            "email": shown.masked_email,
            "name": shown.name,
            "language": shown.language or "",
            "timezone": shown.timezone or "",
            "frequency": subscription.frequency,
            "often": self._often(subscription),
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

    def _often(self, subscription: Subscription) -> str:
        digest = self._services.settings.digest.get(subscription.digest)
        return "" if digest is None or digest.schedule else _FREQUENCIES[subscription.frequency].lower()

    def _link(self, purpose: Purpose, subscription: Subscription) -> str:
        return f"{self._pages.root}/{purpose}/{sign(self._services.keyring, purpose, subscription.id)}"


def _chosen(form: Form) -> Preferences:
    scope = form.text("scope")
    topics: tuple[str, ...] | None = None
    if scope == "all":
        topics = (EVERYTHING,)
    elif scope == "some":
        topics = form.texts("topic")
        if not topics:
            raise UsageError("choose at least one topic, or everything")
    return Preferences(
        frequency=form.text("frequency"),
        topics=topics,
        name=form.text("name"),
        language=form.text("language"),
        timezone=form.text("timezone"),
        catch_up=form.text("catch_up") is not None,
    )


def _zones() -> list[str]:
    """What a browser may propose: places, not the short names and offsets of old."""
    return sorted(zone for zone in available_timezones() if "/" in zone and not zone.startswith("Etc/"))


def _languages(templates: Any) -> list[tuple[str, str]]:
    tags = [name.removeprefix(WORDS).removesuffix(".toml") for name in templates if name.startswith(WORDS)]
    return sorted((tag, _own_name(tag)) for tag in tags)


def _own_name(tag: str) -> str:
    try:
        name = Locale.parse(tag, sep="-").get_display_name() or tag
    except (ValueError, UnknownLocaleError):
        return tag
    return f"{name[:1].upper()}{name[1:]}"
