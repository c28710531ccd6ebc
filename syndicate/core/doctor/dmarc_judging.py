"""What is wrong with the DMARC of a From address's domain: its record, its reports, its alignment with SPF and DKIM."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from syndicate.core.doctor.dmarc import Found, Walk, walk
from syndicate.core.doctor.dmarc_record import DmarcRecord, is_dmarc
from syndicate.core.doctor.finding import Finding, Group, Judge
from syndicate.core.doctor.names import Asking, Question


@dataclass(frozen=True, slots=True)
class Identities:
    """What a From domain has to align with: the return path's domain, and the one that signs (None: nothing does)."""

    return_path: str | None
    signing: str | None


def judge_dmarc(domain: str, identities: Identities) -> Asking[list[Finding]]:
    """Look at the record that counts for mail from ``domain``."""
    judge = Judge(Group.DMARC, domain)
    found = yield from walk(domain)
    applied = found.applied
    if found.failed is not None and (applied is None or applied.domain != found.start):
        return [_unanswered(judge, found)]
    findings = [
        Judge(Group.DMARC, f"_dmarc.{each.domain}").error(
            "dmarc.several" if len(each.texts) > 1 else "dmarc.syntax",
            each.fault,
            "leave one record" if len(each.texts) > 1 else "correct the record",
        )
        for each in found.found
        if each.fault
    ]
    if applied is None or applied.record is None:
        if not findings:
            findings.append(
                judge.error(
                    "dmarc.missing",
                    "there is no DMARC record; Gmail, Yahoo and Microsoft refuse bulk mail without one",
                    f'publish at _dmarc.{domain} a TXT record: "v=DMARC1; p=none; rua=mailto:YOU@{domain}"',
                )
            )
        return findings
    findings.extend(_policy(judge, found, applied, applied.record))
    findings.extend((yield from _reports(judge, applied, applied.record)))
    findings.extend((yield from _alignment(judge, found, applied.record, identities)))
    return findings


def _policy(judge: Judge, found: Walk, applied: Found, record: DmarcRecord) -> Iterator[Finding]:
    place = "" if applied.domain == found.start else f", from _dmarc.{applied.domain}"
    policy = record.policy
    if applied.domain != found.start:
        policy = record.sp or policy
    if record.p is None:
        if policy is None:
            yield judge.error(
                "dmarc.no_policy",
                f"the record has no valid p= and no rua=: receivers act as if there were none{place}",
                "add p=none, p=quarantine or p=reject",
            )
        else:
            yield judge.warning(
                "dmarc.no_policy",
                f"the record has no valid p=: receivers take it for p=none{place}",
                "add p=none, p=quarantine or p=reject",
            )
    elif policy is not None:
        yield judge.good("dmarc.policy", f"one record, policy {policy}{place}")
    if policy == "none" and record.p is not None:
        yield judge.note(
            "dmarc.none",
            "p=none only watches: others can still send in your name",
            "once the reports look right, go on to p=quarantine",
        )
    yield from _oddities(judge, record)
    if record.psd == "y" and applied.domain == found.start:
        yield judge.warning(
            "dmarc.psd",
            "psd=y says that this domain is a public suffix under which others register",
            "take psd=y out, unless you are a registry",
        )


def _oddities(judge: Judge, record: DmarcRecord) -> Iterator[Finding]:
    if record.testing:
        yield judge.warning(
            "dmarc.testing", "t=y says that you are only trying: receivers apply a milder policy", "take t=y out"
        )
    for tag in record.obsolete:
        yield judge.warning(
            f"dmarc.{tag}",
            f"{tag}= has no meaning since RFC 9989 (May 2026)" + ("; what it was for is t=y" if tag == "pct" else ""),
            f"take {tag}= out",
        )
    for text in record.odd:
        if not text.startswith("p="):
            yield judge.warning("dmarc.value", f"{text} is not valid and counts for nothing", "correct it")
    for tag in record.unknown:
        yield judge.warning("dmarc.tag", f"there is no tag {tag}=: receivers ignore it", "take it out")


def _reports(judge: Judge, applied: Found, record: DmarcRecord) -> Asking[list[Finding]]:
    if not record.rua_domains:
        return [
            judge.warning(
                "dmarc.no_rua",
                "nobody gets the reports (no rua=): you do not see who sends in your name, or what fails",
                f"add rua=mailto:YOU@{applied.domain}",
            )
        ]
    findings: list[Finding] = []
    home = yield from walk(applied.domain)
    for domain in record.rua_domains:
        if domain == applied.domain:
            continue
        theirs = yield from walk(domain)
        if theirs.organizational == home.organizational:
            continue
        silent = next((each for each in (home, theirs) if each.failed is not None), None)
        if silent is not None:
            findings.append(_unanswered(judge, silent))
            continue
        name = f"{applied.domain}._report._dmarc.{domain}"
        answer = yield Question(name, "TXT")
        if answer.failed:
            findings.append(judge.unasked("dmarc.unanswered", f"{name} could not be asked for: {answer.reason}"))
        elif not any(is_dmarc(text) for text in answer.records):
            findings.append(
                judge.error(
                    "dmarc.rua_unauthorised",
                    f"reports go to {domain}, which does not say that it wants them: nobody sends any",
                    f'let {domain} publish at {name} a TXT record "v=DMARC1", or name an address of your own in rua=',
                )
            )
    return findings


def _unanswered(judge: Judge, found: Walk) -> Finding:
    name, reason = found.failed or ("", "")
    return judge.unasked("dmarc.unanswered", f"{name} could not be asked for: {reason}")


def _alignment(judge: Judge, found: Walk, record: DmarcRecord, identities: Identities) -> Asking[list[Finding]]:
    kinds = (
        ("SPF", identities.return_path, record.strict_spf, "bounce.return_path", "aspf"),
        ("DKIM", identities.signing, record.strict_dkim, "dkim.domain", "adkim"),
    )
    findings: list[Finding] = []
    aligned, unknown = 0, False
    for what, domain, strict, key, tag in kinds:
        if domain is None:
            continue
        belongs = yield from _aligned(found, domain, strict=strict)
        if isinstance(belongs, Walk):
            unknown = True
            findings.append(_unanswered(judge, belongs))
        elif belongs:
            aligned += 1
            findings.append(judge.good(f"dmarc.aligned_{what.lower()}", f"{what} is aligned: {domain}"))
        else:
            how = f" exactly ({tag}=s)" if strict else ""
            findings.append(
                judge.warning(
                    f"dmarc.unaligned_{what.lower()}",
                    f"{what} does not count: {domain} ({key}) does not belong to {found.start}{how}",
                    f"choose a {key} under {found.organizational}" + (f", or take {tag}=s out" if strict else ""),
                )
            )
    if findings and not aligned and not unknown:
        findings.append(
            judge.error(
                "dmarc.unaligned",
                "neither SPF nor DKIM is aligned with the sender that readers see: DMARC fails for every mail"
                if identities.signing
                else "SPF is not aligned with the sender that readers see, and we sign nothing: DMARC fails for every"
                " mail, unless the relay signs as this domain",
                "sign as the domain of the From address (dkim.domain), and return mail to it (bounce.return_path)",
            )
        )
    return findings


def _aligned(found: Walk, domain: str, *, strict: bool) -> Asking[bool | Walk]:
    """Whether a domain belongs to that of the sender; or the walk that could not tell because nobody answered."""
    if domain.lower() == found.start:
        return True
    if strict:
        return False
    other = yield from walk(domain)
    if other.organizational == found.organizational:
        return True
    return next((each for each in (found, other) if each.failed is not None), False)
