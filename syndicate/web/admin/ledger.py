"""The ledger of an issue in the console: filtered, in pages, down to one delivery with all that happened to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

from syndicate.core.addresses import parse_address
from syndicate.core.happenings import happenings
from syndicate.errors import AddressError
from syndicate.model import DeliveryState, Role
from syndicate.service.figures import Figures
from syndicate.store.attempts import attempts_of
from syndicate.store.console import returned_for
from syndicate.store.evidence import delivery_by_id
from syndicate.store.issues import get_issue
from syndicate.store.ledger_search import Place as LedgerPlace
from syndicate.store.ledger_search import Wanted, search
from syndicate.store.subscribers import subscriber_by_id
from syndicate.web.admin.guard import Call, Guard, Place, as_number

if TYPE_CHECKING:
    from syndicate.service.wiring import Services

_PAGE: Final = 50
_CODES: Final = range(100, 1000)


class LedgerPlaces:
    """The handlers, with what they need."""

    def __init__(self, services: Services, guard: Guard, figures: Figures) -> None:
        self._services = services
        self._guard = guard
        self._figures = figures

    def places(self) -> list[Place]:
        """It names readers: for editors."""
        one = "/issues/{number}"
        return [
            Place(f"{one}/ledger", "GET", Role.EDITOR, self.ledger),
            Place(f"{one}/deliveries/{{delivery}}", "GET", Role.EDITOR, self.delivery),
        ]

    def ledger(self, call: Call) -> Response:
        """The deliveries that pass the filters, in pages."""
        number, problem = call.number, ""
        chosen = {name: call.text(name) for name in ("state", "relay", "code", "address")}
        with self._services.database.read() as session:
            issue = get_issue(session, number, self._figures.counting)
        counts = issue.counts.as_dict()
        try:
            wanted = _wanted(chosen)
        except (ValueError, AddressError) as error:
            wanted, problem = None, str(error)
        with self._services.database.read() as session:
            found = (
                search(session, number, wanted, limit=_PAGE, after=_place(call.text("after")))
                if wanted is not None
                else None
            )
        return self._guard.page(
            call,
            "ledger",
            problem=problem,
            status=400 if problem else 200,
            issue=issue,
            counts=counts,
            chosen=chosen,
            rows=found.lines if found else [],
            cut=found.cut if found else False,
            next=f"{found.next[0]}{found.next[1]}" if found and found.next else "",
        )

    def delivery(self, call: Call) -> Response:
        """One delivery: each attempt, each answer, what came back."""
        number, delivery = call.number, call.part("delivery")
        with self._services.database.read() as session:
            found = delivery_by_id(session, number, delivery)
            if found is None:
                raise HTTPException(404)
            facts, subscriber_id = found
            issue = get_issue(session, number, lambda _session, _ids: {})
            attempts = attempts_of(session, [delivery]).get(delivery, ())
            person = None if subscriber_id is None else subscriber_by_id(session, subscriber_id)
            returned = [] if person is None else returned_for(session, person.id, issue_id=number)
        history = happenings(facts, attempts, queued_at=issue.composed_at)
        return self._guard.page(
            call, "delivery", issue=issue, delivery=facts, person=person, history=history, returned=returned
        )


def _wanted(chosen: dict[str, str]) -> Wanted:
    code = as_number(chosen["code"]) if chosen["code"] else None
    if chosen["code"] and code not in _CODES:
        raise ValueError("A reply code has three digits, such as 550.")
    if chosen["state"] and chosen["state"] not in set(DeliveryState):
        raise ValueError("There is no such state.")
    return Wanted(
        state=DeliveryState(chosen["state"]) if chosen["state"] else None,
        relay=chosen["relay"] or None,
        code=code,
        email_key=parse_address(chosen["address"]).key if chosen["address"] else None,
    )


def _place(text: str) -> LedgerPlace | None:
    kind, number = text[:1], as_number(text[1:])
    return (kind, number) if kind in {"s", "d"} and number is not None else None
