"""What is wrong with the names of machines: where mail to us goes (MX), and what our own addresses are called (PTR)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from syndicate.core.doctor.finding import Finding, Group, Judge
from syndicate.core.doctor.names import Address, Answer, Asking, Kind, Question, exchanges

_BOTH = ("A", "AAAA")


def judge_mx(domain: str, key: str, lost: str) -> Asking[list[Finding]]:
    """Whether mail to ``domain`` can arrive. ``key`` names the setting, ``lost`` what would be lost."""
    judge = Judge(Group.MX, domain)
    answer = yield Question(domain, "MX")
    if answer.failed:
        return [judge.unasked("mx.unanswered", f"its mail exchangers could not be asked for: {answer.reason}")]
    if answer.kind is Kind.NO_NAME:
        return [judge.error("mx.no_domain", f"there is no such domain: {lost}", f"correct {key}, or register it")]
    hosts = exchanges(answer)
    if any(host == "" for _, host in hosts):
        return [
            judge.error(
                "mx.null",
                f"it says that it takes no mail (null MX, RFC 7505): {lost}",
                f"publish a mail exchanger, or name a domain in {key} that has one",
            )
        ]
    if not hosts:
        return (yield from _without_mx(judge, domain, key, lost))
    findings: list[Finding] = []
    for _, host in hosts:
        there = yield from _addresses(host)
        if there.failed:
            findings.append(judge.unasked("mx.unanswered", f"{host} could not be asked for: {there.reason}"))
        elif there.void:
            wrong = "is an address, not a name" if _is_address(host) else "has no address"
            findings.append(
                judge.error("mx.no_host", f"its mail exchanger {host} {wrong}", "name one that can be reached")
            )
    if not findings:
        findings.append(judge.good("mx.there", f"mail to it goes to {', '.join(host for _, host in hosts)}"))
    return findings


def _without_mx(judge: Judge, domain: str, key: str, lost: str) -> Asking[list[Finding]]:
    there = yield from _addresses(domain)
    if there.failed:
        return [judge.unasked("mx.unanswered", f"its address could not be asked for: {there.reason}")]
    if there.void:
        return [
            judge.error(
                "mx.missing",
                f"it has no mail exchanger and no address: {lost}",
                f"publish an MX record, or name a domain in {key} that has one",
            )
        ]
    return [
        judge.warning(
            "mx.implicit",
            f"it has no MX record; mail goes to the machine of that name ({there.records[0]})",
            "publish an MX record: some servers take its lack for a sign of spam",
        )
    ]


def judge_ptr(addresses: Sequence[Address], hello: str | None) -> Asking[list[Finding]]:
    """Whether each sending address has a name that leads back to it, and ``hello`` (our name in EHLO) is such."""
    if not addresses:
        findings = [
            Judge(Group.PTR, "sending addresses").note(
                "ptr.no_addresses",
                "which addresses mail leaves from is not known, so their names were not looked at",
                "name them in bounce.sending_ips",
            )
        ]
    else:
        findings = []
        for address in addresses:
            findings.extend((yield from _name(address, hello)))
    if hello is not None and not hello.startswith("["):
        findings.extend((yield from _hello(hello, addresses)))
    return findings


def _name(address: Address, hello: str | None) -> Asking[list[Finding]]:
    judge = Judge(Group.PTR, str(address))
    if not address.is_global and not _is_documentation(address):
        return [
            judge.warning(
                "ptr.private",
                "this is an address of a private network; mail reaches others from another one",
                "name the public address in bounce.sending_ips",
            )
        ]
    answer = yield Question(address.reverse_pointer, "PTR")
    if answer.failed:
        return [judge.unasked("ptr.unanswered", f"its name could not be asked for: {answer.reason}")]
    if not answer.records:
        return [
            judge.error(
                "ptr.missing",
                "it has no name (PTR record); Gmail and Apple refuse mail from it",
                f"let the owner of the address (your host) set its reverse name to {hello or 'the name in EHLO'}",
            )
        ]
    confirmed: list[str] = []
    for name in answer.records:
        there = yield Question(name, _BOTH[address.version == 6])  # noqa: PLR2004 - IPv6
        if there.failed:
            return [judge.unasked("ptr.unanswered", f"{name} could not be asked for: {there.reason}")]
        if any(ip_address(each) == address for each in there.records):
            confirmed.append(name)
    return list(_confirmed(judge, address, answer, confirmed, hello))


def _confirmed(
    judge: Judge, address: Address, answer: Answer, confirmed: Sequence[str], hello: str | None
) -> Iterator[Finding]:
    if not confirmed:
        yield judge.error(
            "ptr.unconfirmed",
            f"its name {answer.records[0]} does not lead back to it (no forward-confirmed PTR)",
            f"publish {answer.records[0]} with the address {address}, or set the reverse name to one that has it",
        )
        return
    if hello is not None and hello.lower() not in {name.lower() for name in confirmed}:
        yield judge.warning(
            "ptr.not_hello",
            f"its name is {confirmed[0]}, and we greet as {hello}",
            f"set bounce.hello_hostname to {confirmed[0]} (if a relay sends, its own greeting counts, not ours)",
        )
        return
    yield judge.good("ptr.confirmed", f"its name is {confirmed[0]}, which leads back to it")


def _hello(hello: str, addresses: Sequence[Address]) -> Asking[list[Finding]]:
    judge = Judge(Group.PTR, hello)
    there: set[Address] = set()
    for type_ in _BOTH:
        answer = yield Question(hello, type_)
        if answer.failed:
            return [judge.unasked("hello.unanswered", f"the name in EHLO could not be asked for: {answer.reason}")]
        there |= {ip_address(each) for each in answer.records}
    if not there:
        return [
            judge.error(
                "hello.unknown",
                "the name that we greet with (EHLO) has no address in the DNS",
                "publish an A record for it, or set bounce.hello_hostname to a name that has one",
            )
        ]
    if addresses and not there & set(addresses):
        return [
            judge.warning(
                "hello.elsewhere",
                f"the name that we greet with leads to {', '.join(map(str, sorted(there, key=str)))},"
                " no address of bounce.sending_ips",
                "use the name of the sending address (with a relay this matters little)",
            )
        ]
    return [judge.good("hello.known", "the name that we greet with is in the DNS")]


def _addresses(host: str) -> Asking[Answer]:
    answer = yield Question(host, "A")
    if answer.void:
        answer = yield Question(host, "AAAA")
    return answer


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_documentation(address: Address) -> bool:
    # Examples use them, and they are not global either.
    return str(address).startswith(("192.0.2.", "198.51.100.", "203.0.113.", "2001:db8:"))
