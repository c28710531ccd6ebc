from __future__ import annotations

from datetime import datetime
from urllib.parse import unquote

import pytest
from members_setup import SETTINGS

from syndicate.core.links import Purpose, verify_from_mail
from syndicate.core.personal import Personal, slot_values
from syndicate.model import Keyring


@pytest.mark.parametrize("return_path", ["bounces@courier.example", None])
def test_one_can_leave_by_mail_whether_or_not_there_is_a_return_path(
    keyring: Keyring, now: datetime, return_path: str | None
) -> None:
    changed = {
        "bounce": SETTINGS.bounce.model_copy(update={"return_path": return_path}),
        "delivery": SETTINGS.delivery.model_copy(update={"from_": "The Courier <news@courier.example>"}),
    }
    personal = Personal.of(SETTINGS.model_copy(update=changed))
    values = slot_values(
        personal,
        keyring,
        issue_id=1,
        subscriber_id=2,
        subscription_id=3,
        email="nora@example.org",
        name="Nora",
        sent_at=now,
    )
    scheme, _, rest = unquote(values["unsubscribe_mailto"]).partition(":")
    address, _, subject = rest.partition("?subject=")
    if return_path:
        token = address.partition("+")[2].partition("@")[0]
        assert (scheme, address, subject) == ("mailto", f"bounces+{token}@courier.example", "unsubscribe")
    else:
        token = subject.removeprefix("unsubscribe ")
        assert (scheme, address, subject) == ("mailto", "news@courier.example", f"unsubscribe {token}")
    assert verify_from_mail(keyring, Purpose.UNSUBSCRIBE, token, now).ids == (3,)
