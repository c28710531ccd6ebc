"""``/subscribe``: the form for new readers, here and on other sites. A GET shows and a POST acts.

Whether an address is known, new or suppressed cannot be told from any answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from syndicate.config.publications import Digest
from syndicate.core.addresses import parse_address
from syndicate.core.form_limits import network_of
from syndicate.errors import AddressError, UnknownNameError, UsageError
from syndicate.pipeline.members.signing_up import Origin, SignupDesk, Taken
from syndicate.pipeline.members.subscribing import Wish
from syndicate.web.choosing import frequencies, languages, topics_of, zones
from syndicate.web.form_guard import FormGuard
from syndicate.web.forms import Form, read_form
from syndicate.web.pages import Pages

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

# Any site may show the form: no answer depends on who asks, and there is no cookie that could come along. A plain form
# is a simple request (fetch.spec.whatwg.org), so nothing more needs to be allowed, and there is no preflight.
OPEN: Final = {"access-control-allow-origin": "*", "cross-origin-resource-policy": "cross-origin"}
_FRESH: Final = {"cache-control": "no-store"}
_MADE_HERE: Final = {"landing", "subscribe"}
_ORIGIN_LIMIT: Final = 200
_TOO_MANY: Final = 429


class Signup:
    """The handlers, and the form as other pages show it."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._settings = services.settings
        self._pages = pages
        self._languages = languages(services.templates)
        self._desk = SignupDesk(services.database, services.settings, services.keyring)
        self._guard = FormGuard(services.keyring) if services.settings.signup.enabled else None

    def routes(self) -> list[BaseRoute]:
        """None when the form is switched off."""
        if self._guard is None or not self._settings.digest:
            return []
        return [
            Route("/subscribe", self.page, methods=["GET"]),
            Route("/subscribe", self.send, methods=["POST"]),
            Route("/subscribe/sent", self.sent, methods=["GET"]),
            Route("/subscribe/token", self.token, methods=["GET"]),
            Route("/subscribe/challenge", self.challenge, methods=["GET"]),
        ]

    @property
    def on_offer(self) -> bool:
        """Whether there is a form at all."""
        return bool(self._guard is not None and self._settings.digest)

    def page(self, request: Request) -> Response:
        """The form of one digest, with all there is to choose."""
        name = request.query_params.get("digest") or next(iter(self._settings.digest))
        if name not in self._settings.digest:
            raise UnknownNameError("there is no such digest")
        speak = self._pages.language(request)
        form = self.form(speak, place="subscribe", digests=[name], values=Form.empty())
        response = self._pages.render("subscribe", public=True, speak=speak, form=form)
        response.headers["cache-control"] = "no-store"  # its stamp says when it was shown
        return response

    def sent(self, request: Request) -> Response:
        """What follows, whatever became of the form."""
        return self._pages.render("sent", speak=self._pages.language(request))

    def token(self, request: Request) -> Response:
        """What the script on another site needs to show the form."""
        asked = request.query_params.get("language")
        speak = self._pages.language(request, asked if asked and len(asked) < 40 else None)  # noqa: PLR2004
        words = self._pages.words(speak)
        answer = {
            "stamp": self._stamp(),
            "language": words["language"],
            "dir": words["dir"],
            "email": words["email"],
            "subscribe": words["subscribe"],
            "consent": self.consent(speak),
            "proof": self._settings.signup.proof_of_work,
        }
        return JSONResponse(answer, headers={**OPEN, **_FRESH, "vary": "Accept-Language"})

    def challenge(self, _request: Request) -> Response:
        """What the browser is to compute, where the publisher asks for it."""
        assert self._guard is not None  # noqa: S101 - there is no route without it
        return JSONResponse(self._guard.challenge(self._services.clock()), headers=_FRESH)

    async def send(self, request: Request) -> Response:
        """Take a form."""
        form = await read_form(request)
        return await run_in_threadpool(self._take, request, form)

    def _take(self, request: Request, form: Form) -> Response:
        settings, now = self._settings, self._services.clock()
        speak = self._speak(request, form)
        if form.text("website"):
            return self._answer(request, speak, "sent")  # nobody sees that field
        assert self._guard is not None  # noqa: S101 - there is no route without it
        age = self._guard.age(form.text("stamp") or "", now)
        if age is None or age < settings.signup.minimum_time:
            return self._answer(request, speak, "again", form)
        proof = None
        if settings.signup.proof_of_work:
            proof = self._guard.proof(form.text("proof") or "", now)
            if proof is None:
                return self._answer(request, speak, "again", form)
        network = network_of(request.client.host if request.client else "")
        try:
            wish = self._wish(request, form, speak, network)
            # By the domain alone, before anything is looked up: it says nothing of who is known.
            if settings.signup.check_mx and self._services.mail_domains.takes_no_mail(parse_address(wish.email).domain):
                return self._answer(request, speak, "problem", form, "problem_address")
            taken = self._desk.sign_up(wish, Origin(network=network, proof=proof), now=now)
        except AddressError:
            return self._answer(request, speak, "problem", form, "problem_address")
        except (UsageError, UnknownNameError):
            word = "problem_topics" if form.text("scope") == "some" and not form.texts("topic") else "problem_choice"
            return self._answer(request, speak, "problem", form, word)
        if taken is Taken.TOO_MANY:
            return self._answer(request, speak, "too_many", form, "problem_too_many")
        return self._answer(request, speak, "again" if taken is Taken.USED else "sent", form)

    def _wish(self, request: Request, form: Form, speak: str, network: str | None) -> Wish:
        name = form.text("digest") or next(iter(self._settings.digest))
        self._settings.named_digest(name)
        return Wish(
            email=form.text("email") or "",
            digest=name,
            name=form.text("name") or None,
            frequency=form.text("frequency") or None,
            topics=topics_of(form),
            language=form.text("language") or None,
            timezone=form.text("timezone") or None,
            wording=self.consent(speak),
            form=self._place(request, form),
            network=network if self._settings.privacy.record_optin_ip else None,
        )

    def _place(self, request: Request, form: Form) -> str:
        """Which form it was, for the proof of consent: one of ours, or that of a site by its origin."""
        place = form.text("form") or ""
        origin = request.headers.get("origin", "")[:_ORIGIN_LIMIT]
        public = urlsplit(self._settings.service.public_url)
        ours = origin in {"", "null", f"{public.scheme}://{public.netloc}"}
        if place in _MADE_HERE and ours:
            return place
        return f"embed {origin}" if not ours and origin.isprintable() else "embed"

    def _speak(self, request: Request, form: Form) -> str:
        """The language that the form was shown in: its sentence of consent was."""
        asked = (form.text("speak") or "").lower()
        return asked if asked in self._pages.languages else self._pages.language(request)

    def _answer(
        self, request: Request, speak: str, state: str, form: Form | None = None, problem: str | None = None
    ) -> Response:
        status = {"problem": 400, "too_many": _TOO_MANY}.get(state, 200)
        if "application/json" in request.headers.get("accept", ""):
            word = {"sent": "sent_text", "again": "once_more"}.get(state) or problem or "problem_choice"
            answer = {"state": state, "message": self._pages.word(speak, word), "stamp": self._stamp()}
            return JSONResponse(answer, status_code=status, headers={**OPEN, **_FRESH})
        if state == "sent" or form is None:
            return RedirectResponse(f"{self._pages.root}/subscribe/sent", status_code=303, headers=_FRESH)
        digest = form.text("digest") or ""
        shown = [digest] if digest in self._settings.digest else list(self._settings.digest)
        values = self.form(speak, place="subscribe", digests=shown, values=form)
        values["again"] = state == "again"
        values["problem"] = self._pages.word(speak, problem) if problem else ""
        return self._pages.render("subscribe", status=status, speak=speak, form=values)

    def consent(self, speak: str) -> str:
        """The sentence that a reader agrees to."""
        return self._settings.signup.consent or self._pages.word(speak, "consent")

    def form(self, speak: str, *, place: str, digests: list[str], values: Form) -> dict[str, Any]:
        """The form as templates show it; one digest shows all there is to choose of it."""
        settings = self._settings
        one = settings.digest[digests[0]] if len(digests) == 1 else None
        chosen = {topic.casefold() for topic in values.texts("topic")}
        return {
            "digests": [self._about(speak, name, settings.digest[name]) for name in digests],
            "digest": values.text("digest") or digests[0],
            "email": (values.text("email") or "")[:254],
            "name": (values.text("name") or "")[:100],
            "frequencies": [] if one is None else frequencies(self._pages, speak, one),
            "frequency": values.text("frequency") or ("" if one is None else str(one.frequency)),
            "topics": [] if one is None else [(topic, topic.casefold() in chosen) for topic in one.topics],
            "everything": values.text("scope") != "some" and not chosen,
            "languages": self._languages,
            "language": values.text("language") or "",
            "zones": zones(),
            "timezone": values.text("timezone") or "",
            "open": bool(values.text("name")),
            "stamp": self._stamp(),
            "place": place,
            "consent": self.consent(speak),
            "proof": f"{self._pages.root}/subscribe/challenge" if settings.signup.proof_of_work else "",
            "script": self._pages.script,
            "problem": "",
            "again": False,
        }

    def _about(self, speak: str, name: str, digest: Digest) -> dict[str, Any]:
        rhythm = [] if digest.schedule else [self._pages.word(speak, f"often_each_{f}") for f in digest.frequencies]
        return {
            "name": name,
            "title": self._settings.digest_title(name),
            "description": digest.description,
            "often": rhythm,
            "more": bool(digest.topics) or (len(digest.frequencies) > 1 and not digest.schedule),
        }

    def snippets(self) -> list[dict[str, str]]:
        """What publishers put into their own pages, for each digest."""
        base = self._settings.service.public_url
        return [
            {
                "title": self._settings.digest_title(name),
                "script": f'<script src="{base}/subscribe/embed.js?{urlencode({"digest": name})}" async></script>',
                "form": (
                    f'<form method="post" action="{base}/subscribe">\n'
                    f'  <input type="hidden" name="digest" value="{name}">\n'
                    '  <label>Your e-mail address <input type="email" name="email" required></label>\n'
                    "  <button>Subscribe</button>\n"
                    "</form>"
                ),
            }
            for name in self._settings.digest
        ]

    def _stamp(self) -> str:
        assert self._guard is not None  # noqa: S101 - there is no form without it
        return self._guard.stamp(self._services.clock())
