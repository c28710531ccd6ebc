"""One mail for several digests, as rules: each article once, when a mail may go, what its link ends."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.joining import Member, Shown, alone_because, each_once
from syndicate.core.links import Purpose, sign, sign_joint, verify_unsubscribe
from syndicate.errors import TokenError
from syndicate.model import DeliveryState, IssueState, Keyring, SigningKey, SubscriptionState

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
KEYS = Keyring(
    keys=(SigningKey(id="k1", secret=b"a key of these tests, of 32 octets"),),
    hash_key=b"another key of 32 octets, or more",
)


@dataclass(frozen=True)
class Item:
    id: int


items = st.lists(st.integers(1, 12), unique=True, max_size=8)


@st.composite
def shown(draw: st.DrawFn) -> Shown[Item]:
    ids = draw(items)
    cut = draw(st.integers(0, len(ids)))
    return Shown(tuple(map(Item, ids[:cut])), tuple(map(Item, ids[cut:])))


@given(st.lists(shown(), min_size=1, max_size=8))
def test_each_article_stands_once_and_none_is_lost(parts: list[Shown[Item]]) -> None:
    stand = [each.id for part in each_once(parts) for each in (*part.articles, *part.headlines)]
    assert sorted(stand) == sorted({each.id for part in parts for each in (*part.articles, *part.headlines)})


@given(st.lists(shown(), min_size=1, max_size=8))
def test_it_stands_in_the_first_digest_that_has_it_and_in_full_where_any_has(parts: list[Shown[Item]]) -> None:
    for place, (before, after) in enumerate(zip(parts, each_once(parts), strict=True)):
        for each in after.articles:
            assert each in before.articles
            assert not any(each in part.articles for part in parts[:place])
        for each in after.headlines:
            assert each in before.headlines
            assert not any(each in part.articles for part in parts)
            assert not any(each in part.headlines for part in parts[:place])


@given(shown())
def test_a_digest_alone_is_left_as_it_is(part: Shown[Item]) -> None:
    assert each_once([part]) == [part]


states = st.sampled_from(list(IssueState))
subscriptions = st.one_of(st.none(), st.sampled_from(list(SubscriptionState)))


@given(st.lists(st.tuples(st.integers(1, 9), states, subscriptions), min_size=1, max_size=5))
def test_a_mail_goes_whole_or_not_at_all(rows: list[tuple[int, IssueState, SubscriptionState | None]]) -> None:
    members = [
        Member(edition_id=edition, state=DeliveryState.QUEUED, issue=issue, subscription=subscription)
        for edition, issue, subscription in rows
    ]
    made_of = [edition for edition, _, _ in rows]
    may = all(issue is IssueState.RUNNING and kept is SubscriptionState.CONFIRMED for _, issue, kept in rows)
    assert (alone_because(made_of, members) is None) == may
    assert alone_because(made_of, members[1:]) is not None
    assert alone_because(made_of, [replace(members[0], edition_id=99), *members[1:]]) is not None


@given(st.lists(st.integers(0, 2**32 - 1), min_size=2, max_size=8))
def test_the_token_of_a_joint_mail_says_what_it_ends_and_cannot_be_altered(ids: list[int]) -> None:
    token = sign_joint(KEYS, ids)
    assert verify_unsubscribe(KEYS, token, NOW) == tuple(ids)
    head, _, body = token.partition(".")
    other = "A" if body[5] != "A" else "B"
    for altered in (f"{head}.{body[:5]}{other}{body[6:]}", f"{head}.{body[:-4]}", f"x.{body}"):
        with pytest.raises(TokenError):
            verify_unsubscribe(KEYS, altered, NOW)


def test_the_link_of_one_subscription_is_read_as_before() -> None:
    assert verify_unsubscribe(KEYS, sign(KEYS, Purpose.UNSUBSCRIBE, 7), NOW) == (7,)
    with pytest.raises(TokenError):
        verify_unsubscribe(KEYS, sign(KEYS, Purpose.PREFERENCES, 7), NOW)


@pytest.mark.parametrize("count", [1, 9])
def test_one_subscription_and_nine_need_no_joint_link(count: int) -> None:
    with pytest.raises(ValueError, match="2 to 8"):
        sign_joint(KEYS, list(range(count)))
