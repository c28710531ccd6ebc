"""Subscribers and their subscriptions: listed, added with their proof of consent, changed, ended, erased."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from syndicate.core.addresses import parse_address
from syndicate.core.api_scopes import allowed
from syndicate.errors import SuppressedError, UnknownNameError
from syndicate.model import Subscriber, SubscriptionState
from syndicate.pipeline.members.describing import choice, person, with_proof
from syndicate.pipeline.members.erasing import erase
from syndicate.pipeline.members.preferences import Preferences, change_choice
from syndicate.pipeline.members.subscribing import Answer, Wish, subscribe
from syndicate.pipeline.members.unsubscribing import unsubscribe_address
from syndicate.service.wiring import Services
from syndicate.store import subscribers
from syndicate.store.listings import subscribers_page
from syndicate.web.api.member_models import (
    Choice,
    EmailIn,
    Ended,
    Erased,
    NewSubscription,
    Subscribed,
    SubscriberOut,
    Subscribers,
    SubscriberShown,
)
from syndicate.web.api.operations import Cursor, Limit, answer, operation, page, read_cursor, token_of, write_cursor
from syndicate.web.api.problems import FORBIDDEN, INVALID, ProblemError

Number = Annotated[int, Path(ge=1, le=2**31 - 1, description="The subscriber's number.")]
DigestName = Annotated[str, Path(min_length=1, max_length=100, pattern=r"^[^/\x00-\x20\x7f]+$")]


class SubscriberOperations:
    """The handlers, with what they need."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def add_to(self, router: APIRouter) -> None:
        """Declare them."""
        read, write = ["subscribers:read"], ["subscribers:write"]
        one, chosen = "/subscribers/{number}", "/subscribers/{number}/subscriptions/{digest}"
        operation(router, "GET", "/subscribers", self.list_subscribers, scopes=read, model=Subscribers, problems=[404])
        operation(
            router,
            "POST",
            "/subscribers",
            self.subscribe,
            scopes=write,
            model=Subscribed,
            status=201,
            also=[200],
            problems=[404, 409],
        )
        operation(
            router,
            "POST",
            "/subscribers/lookup",
            self.look_up_subscriber,
            scopes=read,
            model=SubscriberShown,
            problems=[404],
        )
        operation(router, "GET", one, self.show_subscriber, scopes=read, model=SubscriberShown, problems=[404])
        operation(
            router, "DELETE", one, self.erase_subscriber, scopes=["subscribers:erase"], model=Erased, problems=[404]
        )
        operation(
            router, "PATCH", chosen, self.change_subscription, scopes=write, model=SubscriberOut, problems=[404, 409]
        )
        operation(router, "DELETE", chosen, self.unsubscribe, scopes=write, model=Ended, problems=[404])

    def list_subscribers(
        self,
        digest: Annotated[str | None, Query(max_length=100, pattern=r"^[^\x00-\x20\x7f]+$")] = None,
        state: Annotated[SubscriptionState | None, Query(description="Of their subscription to `digest`.")] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response:
        """List readers. The newest comes first."""
        if digest is not None:
            self._services.settings.named_digest(digest)
        elif state is not None:
            raise ProblemError(INVALID, "state: expected a digest beside it")
        before = read_cursor(cursor, int)
        with self._services.database.read() as session:
            found = subscribers_page(
                session, limit=limit, before=before[0] if before else None, digest=digest, state=state
            )
            chosen = subscribers.subscriptions_of(session, [each.id for each in found])
        documents = [{**person(each), "subscriptions": [choice(one) for one in chosen[each.id]]} for each in found]
        return page("subscribers", documents, limit, lambda: write_cursor(found[-1].id))

    def subscribe(self, request: Request, body: NewSubscription) -> Response:
        """Subscribe an address. A confirmation mail is sent, unless you declare the consent with its wording."""
        scopes = token_of(request).scopes
        if body.confirmed and not allowed(scopes, "subscribers:confirm"):
            raise ProblemError(FORBIDDEN, "the token lacks the scope subscribers:confirm")
        if body.confirmed and body.consent is None:
            raise ProblemError(INVALID, "consent: expected the wording that the reader agreed to, beside confirmed")
        services, proof = self._services, body.consent
        services.settings.named_digest(body.digest)
        address = parse_address(body.email)
        with services.database.read() as session:
            before = subscribers.find_subscriber(session, address.key)
        wish = Wish(
            email=body.email,
            digest=body.digest,
            name=body.name,
            frequency=body.frequency,
            topics=None if body.topics is None else tuple(body.topics),
            language=body.language,
            timezone=body.timezone,
            confirmed=body.confirmed,
            operator=True,
            via="api",
            wording=None if proof is None else proof.wording,
            form=None if proof is None else proof.form,
            network=None if proof is None else proof.network or None,
        )
        done = subscribe(services.database, services.settings, services.keyring, wish, now=services.clock())
        if done.answer is Answer.SUPPRESSED or done.subscriber is None:
            raise SuppressedError(f"the address or its domain is on the suppression list ({done.reason})")
        document = {**self._subscriber(done.subscriber.id), "answer": done.answer}
        return answer(document, 201 if before is None else 200)

    def look_up_subscriber(self, body: EmailIn) -> Response:
        """Find a reader by address. A POST, so that no address stands in the log of a proxy."""
        return answer(with_proof(self._services.database, email=body.email))

    def show_subscriber(self, number: Number) -> Response:
        """Show a reader. With the proof of consent, oldest first."""
        return answer(with_proof(self._services.database, number=number))

    def change_subscription(self, number: Number, digest: DigestName, body: Choice) -> Response:
        """Change what a reader gets. What is not given stays."""
        wanted = Preferences(
            frequency=body.frequency,
            topics=None if body.topics is None else tuple(body.topics),
            name=body.name,
            language=body.language,
            timezone=body.timezone,
            catch_up=body.catch_up,
            pause=body.pause,
        )
        services = self._services
        services.settings.named_digest(digest)
        change_choice(services.database, services.settings, number, digest, wanted, now=services.clock(), via="api")
        return answer(self._subscriber(number))

    def unsubscribe(self, number: Number, digest: DigestName) -> Response:
        """End a subscription. At once, also for what is queued; a second time changes nothing."""
        found = self._person(number)
        ended = unsubscribe_address(
            self._services.database, found.email, now=self._services.clock(), digests=[digest], via="api"
        )
        if not ended or ended[0].subscription is None:
            raise UnknownNameError(f"subscriber {number} has no subscription to {digest!r}")
        return answer({"digest": digest, "state": ended[0].subscription.state, "changed": ended[0].changed})

    def erase_subscriber(
        self,
        number: Number,
        block: Annotated[bool, Query(description="Also never write to the address again.")] = False,
    ) -> Response:
        """Erase a reader. All that names them goes; deliveries stay on the ledger without a name."""
        services, found = self._services, self._person(number)
        known = erase(services.database, services.keyring, found.email, now=services.clock(), block=block)
        return answer({"erased": known})

    def _person(self, number: int) -> Subscriber:
        with self._services.database.read() as session:
            found = subscribers.subscriber_by_id(session, number)
        if found is None:
            raise UnknownNameError(f"there is no subscriber {number}")
        return found

    def _subscriber(self, number: int) -> dict[str, Any]:
        with self._services.database.read() as session:
            found = subscribers.subscriber_by_id(session, number)
            chosen = subscribers.subscriptions_of(session, [number])[number]
        if found is None:
            raise UnknownNameError(f"there is no subscriber {number}")
        return {**person(found), "subscriptions": [choice(one) for one in chosen]}
