"""Whether a domain takes mail: RFC 5321 5.1 and the null MX of RFC 7505."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from syndicate.core.doctor.names import Answer, Kind, Question, answered
from syndicate.core.mail_domains import takes_no_mail

_VOID = st.sampled_from([Answer(Kind.EMPTY), Answer(Kind.NO_NAME)])
_FAILED = st.just(Answer(Kind.FAILED, reason="silence"))
_ADDRESS = st.just(Answer(Kind.FOUND, ("192.0.2.1",)))
_EXCHANGER = st.sampled_from([Answer(Kind.FOUND, ("10 mx.example",)), Answer(Kind.FOUND, ("0 ", "10 mx.example"))])
_NULL = st.just(Answer(Kind.FOUND, ("0 ",)))
_HOST = st.one_of(_VOID, _FAILED, _ADDRESS)


@given(mx=st.one_of(_VOID, _FAILED, _EXCHANGER, _NULL), a=_HOST, aaaa=_HOST)
def test_only_what_is_certain_refuses(mx: Answer, a: Answer, aaaa: Answer) -> None:
    known = {"MX": mx, "A": a, "AAAA": aaaa}
    asked: list[str] = []

    def ask(question: Question) -> Answer:
        asked.append(question.type)
        return known[question.type]

    null = mx.records == ("0 ",)
    assert answered(takes_no_mail("courier.example"), ask) is (null or (mx.void and a.void and aaaa.void))
    assert asked == ["MX", "A", "AAAA"][: len(asked)]
    if not mx.void:
        assert asked == ["MX"]
