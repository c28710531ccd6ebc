"""What is wrong with the SPF record of the return path's domain, and whether it covers where mail leaves from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from syndicate.core.doctor.finding import Finding, Group, Judge, Verdict
from syndicate.core.doctor.names import Address, Asking
from syndicate.core.doctor.spf import MOST_LOOKUPS, MOST_VOID, Evaluation, Result, evaluate
from syndicate.core.doctor.spf_macros import Mailing
from syndicate.core.doctor.spf_survey import Survey, survey


def judge_spf(domain: str, mailing: Mailing, addresses: Sequence[Address]) -> Asking[list[Finding]]:
    """Look at the record of ``domain``, and evaluate it for each address that mail is sent from."""
    judge = Judge(Group.SPF, domain)
    found = yield from survey(domain, mailing)
    if not found.texts and found.unanswered:
        return [judge.unasked("spf.unanswered", f"the record could not be asked for: {found.unanswered[0][1]}")]
    findings = list(_whole(judge, found, addresses))
    is_broken = any(finding.verdict is Verdict.ERROR for finding in findings)
    if found.record is None:
        return findings
    if not addresses:
        findings.append(
            judge.note(
                "spf.no_addresses",
                "whether it covers the addresses that mail leaves from was not looked at",
                "name them in bounce.sending_ips (a relay's operator knows its own)",
            )
        )
    for address in addresses:
        result = yield from evaluate(domain, Mailing(address, mailing.sender, mailing.helo))
        if result.result is not Result.PERMERROR or not is_broken:  # why is told already
            findings.append(_covers(judge, address, result))
    return findings


def suggested(addresses: Sequence[Address]) -> str:
    """A record that allows these addresses and nobody else."""
    allowed = " ".join(f"ip{address.version}:{address}" for address in addresses)
    return f'"v=spf1 {allowed or "include:YOUR-RELAY"} -all"'


def _whole(judge: Judge, found: Survey, addresses: Sequence[Address]) -> Iterator[Finding]:
    if not found.texts:
        yield judge.error(
            "spf.missing",
            "there is no SPF record",
            f"publish at {judge.thing} a TXT record: {suggested(addresses)}",
        )
        return
    if len(found.texts) > 1:
        yield judge.error(
            "spf.several",
            f"there are {len(found.texts)} SPF records; receivers take none of them",
            "join them into one: one v=spf1, all mechanisms, one -all at the end",
        )
        return
    for code, what in found.faults:
        yield judge.error(code, what, _TODO[code])
    if found.lookups > MOST_LOOKUPS:
        costly = sorted(found.costs.items(), key=lambda cost: -cost[1])[:4]
        yield judge.error(
            "spf.lookups",
            f"it takes {found.lookups} look-ups; after {MOST_LOOKUPS} receivers give up",
            f"take out what you do not need (most come from {', '.join(f'{term}: {cost}' for term, cost in costly)})"
            " or write addresses as ip4: and ip6:, which cost none",
        )
    if len(found.voids) > MOST_VOID:
        yield judge.error(
            "spf.voids",
            f"{len(found.voids)} look-ups find nothing; after {MOST_VOID} receivers give up: {', '.join(found.voids)}",
            "take out the names that are gone",
        )
    elif found.voids:
        yield judge.warning(
            "spf.void", f"it names what is not there: {', '.join(found.voids)}", "take these names out of the record"
        )
    for domain in found.with_ptr:
        where = "" if domain == judge.thing else f", in the record of {domain}"
        yield judge.warning(
            "spf.ptr",
            f"it uses ptr, which RFC 7208 says not to use and some receivers skip{where}",
            "name the addresses with ip4:, ip6:, a or mx instead",
        )
    yield from _end(judge, found)
    for name, reason in found.unanswered:
        yield judge.unasked("spf.unanswered", f"{name} could not be asked for: {reason}")
    if found.record is not None and not found.faults and found.lookups <= MOST_LOOKUPS:
        yield judge.good("spf.record", f"one record, {found.lookups} of {MOST_LOOKUPS} look-ups")


def _end(judge: Judge, found: Survey) -> Iterator[Finding]:
    for domain in found.open:
        where = "" if domain == judge.thing else f" (in the record of {domain})"
        yield judge.error(
            "spf.all",
            f"+all lets everybody on the Internet send as {judge.thing}{where}",
            "end the record with -all, or ~all while you try it out",
        )
    if found.record is None:
        return
    if found.all == "?":
        yield judge.warning(
            "spf.neutral", "?all says nothing about strangers who send as you", "end the record with -all or ~all"
        )
    elif found.all is None:
        yield judge.warning(
            "spf.no_all", "it does not end in all: strangers are neither allowed nor refused", "add -all or ~all"
        )


def _covers(judge: Judge, address: Address, found: Evaluation) -> Finding:
    if found.result is Result.PASS:
        by = found.why if found.domain == judge.thing else f"{found.why} of {found.domain}"
        return judge.good("spf.pass", f"{address} may send (by {by})")
    if found.result is Result.TEMPERROR:
        return judge.unasked("spf.unanswered", f"whether {address} may send could not be asked: {found.why}")
    if found.result is Result.PERMERROR:
        return judge.error(
            "spf.permerror",
            f"receivers cannot evaluate it for {address} (permerror): {found.why}",
            "mend the record; until then SPF counts as failed",
        )
    return judge.error(
        "spf.not_covered",
        f"{address} may not send ({found.result}, by {found.why})",
        f"add ip{address.version}:{address} to the record, or correct bounce.sending_ips",
    )


_TODO = {
    "spf.loop": "take the include out that leads back",
    "spf.include": "take the reference out, or correct its name",
    "spf.syntax": "correct the record; receivers take no part of one that they cannot read",
    "spf.mx": "name the hosts that send with a: or ip4: instead of mx",
}
