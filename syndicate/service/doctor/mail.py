"""Looks at the way of the mail: the relays, and what the DNS says of our domains and addresses."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from syndicate.config import Settings
from syndicate.core.addresses import parse_address
from syndicate.core.dkim.keys import DkimKey, signing_keys
from syndicate.core.doctor.dkim_judging import judge_dkim
from syndicate.core.doctor.dkim_record import PublicKey, public_key
from syndicate.core.doctor.dmarc_judging import Identities, judge_dmarc
from syndicate.core.doctor.finding import Finding, Group, Judge
from syndicate.core.doctor.hosts import judge_mx, judge_ptr
from syndicate.core.doctor.names import Address, Asking
from syndicate.core.doctor.relay import judge_relay
from syndicate.core.doctor.spf_judging import judge_spf
from syndicate.core.doctor.spf_macros import Mailing
from syndicate.errors import AddressError, KeyFileError
from syndicate.io.dkim_keys import load_key
from syndicate.io.relay_trial import try_relay
from syndicate.io.smtp_opening import own_name
from syndicate.service.doctor.checks import Check, Surroundings


def mail_checks(around: Surroundings, *, insist: bool) -> Iterator[Check]:
    """The checks of everything that mail needs on its way.

    Without ``insist`` only if the configuration says that mail is to leave: with a Maildir alone nothing does.
    """
    settings = around.settings
    if not (insist or is_meant_to_leave(settings)):
        yield Check(Group.RELAY, "delivery", lambda: [_stays_here()])
        return
    yield from _relay_checks(around)
    yield from _dns_checks(around)


def is_meant_to_leave(settings: Settings) -> bool:
    """Whether mail leaves this machine, or is being made ready to."""
    return bool(
        settings.delivery.transport == "smtp" or settings.smtp or settings.dkim.keys or settings.bounce.sending_ips
    )


def _stays_here() -> Finding:
    return Judge(Group.RELAY, "delivery").note(
        "relay.maildir",
        "mails go into a folder (delivery.transport is maildir), so relay and DNS were not looked at",
        "`syndicate doctor --only relay,dns` looks all the same",
    )


def _relay_checks(around: Surroundings) -> Iterator[Check]:
    settings = around.settings
    if not settings.smtp:
        yield Check(
            Group.RELAY,
            "relay",
            lambda: [
                Judge(Group.RELAY, "relay").note(
                    "relay.none", "there is no [[smtp]]: nothing can be sent to readers yet", "add one to config.toml"
                )
            ],
        )
    sender = envelope_sender(settings)
    for relay in settings.smtp:
        yield Check(
            Group.RELAY,
            relay.label,
            lambda relay=relay: judge_relay(  # type: ignore[misc]
                try_relay(relay, settings.bounce.hello_hostname, base=settings.base, sender=sender), around.now
            ),
        )


def _dns_checks(around: Surroundings) -> Iterator[Check]:
    settings = around.settings
    addresses = [ip_address(each) for each in settings.bounce.sending_ips]
    hello = settings.bounce.hello_hostname or own_name()
    sender = envelope_sender(settings)
    return_domain = domain_of(sender)
    from_domains = sender_domains(settings)
    if return_domain:
        yield Check(Group.SPF, return_domain, lambda: around.asked(_spf(return_domain, sender, hello, addresses)))
    yield from _dkim_checks(around)
    identities = Identities(return_domain or None, _signing_domain(settings) if settings.dkim.keys else None)
    for domain in from_domains:
        yield Check(Group.DMARC, domain, lambda domain=domain: around.asked(judge_dmarc(domain, identities)))  # type: ignore[misc]
    if return_domain:
        yield Check(
            Group.MX,
            return_domain,
            lambda: around.asked(judge_mx(return_domain, "bounce.return_path", "bounces do not come back")),
        )
    for domain in from_domains:
        if domain != return_domain:
            yield Check(
                Group.MX,
                domain,
                lambda domain=domain: around.asked(  # type: ignore[misc]
                    judge_mx(
                        domain, "delivery.from", "answers of readers are lost, and receivers may refuse it as a sender"
                    )
                ),
            )
    configured = settings.bounce.hello_hostname or next(
        (r.hello_hostname for r in settings.smtp if r.hello_hostname), None
    )
    yield Check(Group.PTR, "sending addresses", lambda: around.asked(judge_ptr(addresses, configured)))


def _spf(domain: str, sender: str, hello: str | None, addresses: list[Address]) -> Asking[list[Finding]]:
    return judge_spf(domain, Mailing(None, sender, hello or domain), addresses)


def _dkim_checks(around: Surroundings) -> Iterator[Check]:
    settings = around.settings
    if not settings.dkim.keys:
        yield Check(
            Group.DKIM,
            "signatures",
            lambda: [
                Judge(Group.DKIM, "signatures").warning(
                    "dkim.off",
                    "we sign nothing ([dkim] is not set); Gmail, Yahoo and Microsoft refuse bulk mail without DKIM",
                    "make keys with `syndicate dkim new`, or see that the relay signs with the sender's domain",
                )
            ],
        )
        return
    yield Check(Group.DKIM, _signing_domain(settings), lambda: around.asked(_dkim(settings)))


def _signing_domain(settings: Settings) -> str:
    return domain_of(f"postmaster@{settings.signing_domain}")


def _dkim(settings: Settings) -> Asking[list[Finding]]:
    keys: dict[str, PublicKey | str] = {}
    found: list[DkimKey] = []
    for selector, path in settings.dkim.keys.items():
        try:
            key = load_key(selector, settings.path(path))
        except KeyFileError as error:
            keys[selector] = str(error)
        else:
            keys[selector] = public_key(key.kind, key.public)
            found.append(key)
    waiting = {key.selector for key in found} - {key.selector for key in signing_keys(found)}
    return judge_dkim(_signing_domain(settings), keys, waiting)


def envelope_sender(settings: Settings) -> str:
    """What stands in MAIL FROM, without a token; "" when there is no sender at all."""
    return settings.bounce.return_path or _address(settings.delivery.from_)


def sender_domains(settings: Settings) -> list[str]:
    """The domains that readers see as senders, each once."""
    senders = [
        settings.delivery.from_,
        *(digest.from_ for digest in settings.digest.values()),
        settings.delivery.confirm_from,
    ]
    return list(dict.fromkeys(domain for sender in senders if sender and (domain := domain_of(_address(sender)))))


def domain_of(address: str) -> str:
    """The domain of an address, as the DNS knows it (A-labels)."""
    if not address:
        return ""
    try:
        return parse_address(address).key.rpartition("@")[2]
    except AddressError:
        return address.rpartition("@")[2].lower()


def _address(sender: str) -> str:
    return sender.rpartition("<")[2].rstrip("> ")
