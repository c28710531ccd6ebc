"""``/privacy``: what is kept of readers, said from the settings that are in force."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from syndicate.core.message.headers import parse_mailbox
from syndicate.core.render.languages import locale_of
from syndicate.core.render.words import Word
from syndicate.web.pages import Pages

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


class PrivacyPage:
    """The handler, with what it needs."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._settings = services.settings
        self._pages = pages

    def routes(self) -> list[BaseRoute]:
        """Only a GET."""
        return [Route("/privacy", self.page, methods=["GET"])]

    def page(self, request: Request) -> Response:
        """The whole page."""
        speak = self._pages.language(request)
        delivery = self._settings.delivery
        mailbox = delivery.reply_to or delivery.from_
        contact = parse_mailbox(mailbox).address if mailbox else ""
        return self._pages.render("privacy", public=True, speak=speak, parts=self.parts(speak), contact=contact)

    def parts(self, speak: str) -> list[tuple[str, list[str]]]:
        """Headings and sentences. Each stands for what is done with these settings, and for nothing else."""
        settings, privacy = self._settings, self._settings.privacy
        word = self._pages.words(speak)

        def lasting(key: str, **times: timedelta) -> str:
            text = str(word[key])
            for name, span in times.items():
                text = text.replace(f"{{{name}}}", self._span(speak, span))
            return text

        pages = [
            str(word["privacy_no_cookies"]),
            str(word["privacy_readers" if privacy.count_feed_readers else "privacy_no_readers"]),
        ]
        found = [(str(word["privacy_pages"]), pages)]
        if not settings.digest:
            return found
        if settings.signup.enabled:
            pages.append(str(word["privacy_limits"]))
        optins = {digest.optin for digest in settings.digest.values()}
        mail = [
            str(word["privacy_stored"]),
            str(word["privacy_network" if privacy.record_optin_ip else "privacy_no_network"]),
        ]
        if "double" in optins:
            mail.append(lasting("privacy_double", time=privacy.confirm_link_valid))
        if "single" in optins:
            mail.append(str(word["privacy_single"]))
        keep = settings.service
        mail += [
            str(word["privacy_no_tracking"]),
            lasting("privacy_ledger", time=keep.keep_deliveries, editions=keep.keep_editions),
            str(word["privacy_leave"]),
            str(word["privacy_rights"]),
            str(word["privacy_suppressed"]),
        ]
        return [*found, (str(word["privacy_mail"]), mail)]

    def _span(self, speak: str, span: timedelta) -> str:
        count, key = (span // _DAY, "days") if span >= _DAY else (max(1, span // _HOUR), "hours")
        words = self._pages.words(speak)
        forms: Word = words[key]
        if isinstance(forms, str):
            return forms.replace("{count}", str(count))
        form = locale_of(str(words["language"])).plural_form(count)
        return forms.get(form, forms["other"]).replace("{count}", str(count))
