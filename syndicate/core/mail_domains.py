"""Whether a domain takes mail at all (RFC 5321 5.1, RFC 7505), by questions to the DNS."""

from __future__ import annotations

from syndicate.core.doctor.names import Answer, Asking, Question, exchanges


def takes_no_mail(domain: str) -> Asking[bool]:
    """Whether mail to a domain cannot arrive: no such name, a null MX, or neither MX nor address.

    A question without an answer says nothing about the domain: False. ``domain``: its A-label form.
    """
    answer: Answer = yield Question(domain, "MX")
    if answer.failed:
        return False
    if answer.records:
        return not any(host for _, host in exchanges(answer))
    if (yield Question(domain, "A")).void:
        return (yield Question(domain, "AAAA")).void
    return False
