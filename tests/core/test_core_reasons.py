from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.reasons import MOST, OTHERS, Reason, grouped, without_addresses

reasons = st.builds(
    Reason,
    state=st.sampled_from(["rejected", "deferred", "suppressed"]),
    reason=st.sampled_from([None, "hard", "soft"]),
    code=st.sampled_from([None, 450, 550]),
    reply=st.none() | st.from_regex(r"5\.1\.1 [a-e]{0,2}", fullmatch=True),
    count=st.integers(1, 1000),
)


@given(st.lists(reasons, max_size=80))
def test_nothing_is_lost_in_the_sums_and_each_state_is_told_in_few_lines_the_commonest_first(
    given_reasons: list[Reason],
) -> None:
    told = grouped(given_reasons)
    sums = Counter[str]()
    for each in given_reasons:
        sums[each.state] += each.count
    for state in sums:
        of_state = [each for each in told if each.state == state]
        assert sum(each.count for each in of_state) == sums[state]
        assert len(of_state) <= MOST + 1
        named = [each.count for each in of_state if each.reply != OTHERS]
        assert named == sorted(named, reverse=True)
    assert len({(each.state, each.reason, each.code, each.reply) for each in told}) == len(told)


def test_answers_that_differ_only_in_the_address_are_one_and_name_nobody() -> None:
    def refused(reply: str) -> Reason:
        return Reason(state="rejected", reason="hard", code=550, reply=reply, count=1)

    (only,) = grouped(
        refused(f"5.1.1 <{name}@harbour.example>: no such user ({name}@harbour.example)") for name in ("ann", "bo")
    )
    assert (only.count, only.reply) == (2, "5.1.1 <…>: no such user (…)")


def test_what_is_no_address_stays() -> None:
    assert without_addresses("4.2.0 greylisted, see https://mail.example/why") == (
        "4.2.0 greylisted, see https://mail.example/why"
    )
    assert without_addresses(None) is None
