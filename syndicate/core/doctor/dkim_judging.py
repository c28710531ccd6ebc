"""What is wrong with the DKIM records of our selectors, and whether they publish the keys that sign."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from syndicate.core.doctor.dkim_record import (
    ED25519,
    RSA,
    DkimRecord,
    DkimSyntaxError,
    PublicKey,
    looks_like_dkim,
    read_dkim,
)
from syndicate.core.doctor.finding import Finding, Group, Judge, Verdict
from syndicate.core.doctor.names import Answer, Asking, Kind, Question

_LEAST_BITS, _GOOD_BITS = 1024, 2048


def judge_dkim(
    domain: str, keys: Mapping[str, PublicKey | str], waiting: Collection[str] = ()
) -> Asking[list[Finding]]:
    """Look at the record of each selector. ``keys``: the key under it, or why its private one cannot be read.

    ``waiting``: selectors that do not sign at present; what is wrong with them need not be mended now.
    """
    findings: list[Finding] = []
    for selector, key in keys.items():
        name = f"{selector}._domainkey.{domain}"
        judge = Judge(Group.DKIM, name)
        if isinstance(key, str):
            findings.append(judge.error("dkim.private_key", key, f"correct dkim.keys.{selector}, or mend its file"))
        answer = yield Question(name, "TXT")
        found = _record(judge, answer, key)
        findings.extend(map(_not_urgent, found) if selector in waiting else found)
    kinds = {key.kind for key in keys.values() if isinstance(key, PublicKey)}
    if kinds == {ED25519}:
        findings.append(
            Judge(Group.DKIM, domain).error(
                "dkim.no_rsa",
                "only an Ed25519 key signs, which Gmail and Microsoft do not verify",
                "add an RSA key beside it: `syndicate dkim new`",
            )
        )
    return findings


def _not_urgent(finding: Finding) -> Finding:
    if finding.verdict is not Verdict.ERROR:
        return finding
    message = f"{finding.message} (another key signs at present)"
    return replace(finding, verdict=Verdict.WARNING, message=message)


def _record(judge: Judge, answer: Answer, key: PublicKey | str) -> Iterator[Finding]:
    selector = judge.thing.partition("._domainkey.")[0]
    publish = f"publish there what `syndicate dkim show {selector}` prints"
    if answer.failed:
        yield judge.unasked("dkim.unanswered", f"the record could not be asked for: {answer.reason}")
        return
    texts = [text for text in answer.records if looks_like_dkim(text)]
    if not texts:
        there = (
            "there is no such name" if answer.kind is Kind.NO_NAME else
            "its TXT record is no DKIM key" if answer.records else "there is no TXT record"
        )  # fmt: skip
        yield judge.error("dkim.missing", f"{there}: nobody can verify what this selector signs", publish)
        return
    if len(texts) > 1 or len(answer.records) > len(texts):
        yield judge.error(
            "dkim.several",
            f"there are {len(answer.records)} TXT records: verifiers take any of them, or none",
            "leave one; a long key is one record of several strings, not several records",
        )
        return
    try:
        record = read_dkim(texts[0])
    except DkimSyntaxError as error:
        yield judge.error("dkim.syntax", str(error), publish)
        return
    yield from _judged(judge, record, key, publish)


def _judged(judge: Judge, record: DkimRecord, key: PublicKey | str, publish: str) -> Iterator[Finding]:
    if record.key is None:
        yield judge.error(
            "dkim.revoked", "p= is empty: the key was revoked, and every signature fails",
            f"{publish}; or sign with another selector",
        )  # fmt: skip
        return
    if isinstance(key, PublicKey):
        if record.key == key:
            yield judge.good("dkim.matches", f"publishes the key that signs, {key.shown}")
        else:
            yield judge.error(
                "dkim.mismatch",
                f"publishes another key ({record.key.shown}) than the one that signs ({key.shown}):"
                " every signature fails",
                publish,
            )
    if record.key.kind == RSA and record.key.bits < _LEAST_BITS:
        yield judge.error(
            "dkim.short",
            f"its key has {record.key.bits} bits; verifiers refuse less than {_LEAST_BITS} (RFC 8301)",
            "make a new one of 2048 bits under a new selector: `syndicate dkim new`",
        )
    elif record.key.kind == RSA and record.key.bits < _GOOD_BITS:
        yield judge.warning(
            "dkim.weak",
            f"its key has {record.key.bits} bits; {_GOOD_BITS} are advised (RFC 8301)",
            "make a new one under a new selector: `syndicate dkim new`",
        )
    if record.testing:
        yield judge.warning(
            "dkim.testing", "t=y says that you are only trying: receivers may ignore the signature", "take t=y out"
        )
    if record.hashes and "sha256" not in record.hashes:
        yield judge.error("dkim.hash", "h= leaves sha256 out, with which we sign", "take h= out")
    if not record.services & {"*", "email"}:
        yield judge.error("dkim.service", "s= does not let this key sign e-mail", "take s= out")
