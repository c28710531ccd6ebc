"""What is wrong with the address that readers reach us at, and with unsubscribing there by one click (RFC 8058)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from syndicate.core.doctor.certificate import Certificate, judge_end
from syndicate.core.doctor.finding import Finding, Group, Judge, Verdict

_REDIRECTS = range(300, 400)
_FINE = range(200, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class OneClick:
    """What was answered to a link of nobody, and whether our database heard of it.

    ``heard_after_reading``: a GET, HEAD or OPTIONS had the effect that only a POST may have.
    """

    get_status: int
    heard_after_reading: bool
    post_status: int
    heard_after_post: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicFacts:
    """``error``: why nobody answered. ``serious``: mails with links to the address leave, or are about to."""

    url: str
    local: bool
    serious: bool
    error: str = ""
    certificate: Certificate | None = None
    one_click: OneClick | None = None
    untried: str = ""


def judge_public(facts: PublicFacts, now: datetime) -> list[Finding]:
    """All that was found about the address."""
    judge = Judge(Group.PUBLIC, facts.url)
    if facts.error and not facts.serious:
        return [
            judge.note(
                "public.silent",
                f"{facts.error}, as is right while the service does not run",
                "start it with `syndicate run`; before readers come, set service.public_url to what they can reach",
            )
        ]
    findings = list(_address(judge, facts))
    if facts.error:
        return [*findings, judge.error("public.silent", facts.error, _START)]
    if facts.certificate is not None:
        findings.append(judge.good("public.certificate", f"https, its certificate is {facts.certificate}"))
        findings.extend(judge_end(judge, facts.certificate, now))
    if facts.one_click is not None:
        findings.extend(_one_click(judge, facts.one_click))
    elif facts.untried:
        findings.append(judge.note("public.one_click_untried", facts.untried))
    if not findings:
        findings.append(judge.good("public.answers", "answers"))
    return findings


_START = "start it with `syndicate run`, and look at the proxy in front of it"


def _address(judge: Judge, facts: PublicFacts) -> Iterator[Finding]:
    if facts.local:
        what = "only this machine reaches it: the links in mails work for nobody else"
        todo = "set service.public_url to the address that readers reach, with https"
        if facts.serious:
            yield judge.error("public.local", what, todo)
        else:
            yield judge.note("public.local", what, todo)
    elif not facts.url.startswith("https:"):
        todo = "put a proxy with a certificate in front of it (docs/operations.md), and set service.public_url"
        yield Finding(
            Group.PUBLIC,
            Verdict.ERROR if facts.serious else Verdict.WARNING,
            "public.no_https",
            judge.thing,
            "it is not https: Gmail and others offer no unsubscribe button (RFC 8058), and whoever listens reads along",
            todo,
        )


def _one_click(judge: Judge, found: OneClick) -> Iterator[Finding]:
    if found.heard_after_reading:
        yield judge.error(
            "public.get_acts",
            "a GET of an unsubscribe link has an effect: scanners that follow links unsubscribe everybody",
            "find what turns GET into POST before it reaches Syndicate",
        )
    elif found.get_status not in _FINE:
        yield judge.error(
            "public.get",
            f"an unsubscribe link answers {found.get_status}: readers do not find the page",
            "let the proxy pass everything under /unsubscribe/ on to Syndicate, unchanged",
        )
    else:
        yield judge.good("public.get", "a GET of an unsubscribe link shows a page and changes nothing")
    if found.post_status in _REDIRECTS:
        yield judge.error(
            "public.post",
            f"one-click unsubscribing is redirected ({found.post_status}): mail programs do not follow (RFC 8058 3.1)",
            "write service.public_url exactly as the address answers without a redirect",
        )
    elif found.post_status not in _FINE:
        yield judge.error(
            "public.post",
            f"one-click unsubscribing answers {found.post_status}",
            "let the proxy pass POST under /unsubscribe/ on, without log-in, cookie or challenge",
        )
    elif not found.heard_after_post:
        yield judge.error(
            "public.post_lost",
            "one-click unsubscribing is answered with success, and this database hears nothing of it",
            "see where the address leads: another installation, or a cache, answers in our place",
        )
    else:
        yield judge.good("public.post", "one-click unsubscribing works, tried with a link of nobody")
