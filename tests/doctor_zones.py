"""Zones for ``doctor``: a domain where all is well, and what spoils it, each with the rules that must tell."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from dns_server import Zone, txt

DOMAIN = "courier.example"
ADDRESS = "192.0.2.10"
HELLO = "mail.courier.example"
PTR = "10.2.0.192.in-addr.arpa"
Records = dict[str, Sequence[str | tuple[str, ...]]]

RSA_KEY = generate_private_key(65537, 2048)
OTHER_KEY = generate_private_key(65537, 2048)
SHORT_KEY = generate_private_key(65537, 1024)  # noqa: S505 - that it is short is the point
ED25519_KEY = Ed25519PrivateKey.from_private_bytes(b"courier" * 4 + b"2026")


def pem(key: RSAPrivateKey | Ed25519PrivateKey) -> bytes:
    """A private key as its file holds it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def dkim(key: RSAPrivateKey | Ed25519PrivateKey, extra: str = "") -> str:
    """The DKIM record of a key."""
    if isinstance(key, RSAPrivateKey):
        kind, public = "rsa", key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        kind, public = "ed25519", key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return f"v=DKIM1; k={kind}; {extra}p={base64.b64encode(public).decode()}"


GOOD: dict[str, Records] = {
    DOMAIN: {"MX": [f"10 {HELLO}."], "TXT": [txt(f"v=spf1 ip4:{ADDRESS} -all"), txt("some-verification=1")]},
    HELLO: {"A": [ADDRESS]},
    PTR: {"PTR": [f"{HELLO}."]},
    f"_dmarc.{DOMAIN}": {"TXT": [txt(f"v=DMARC1; p=reject; rua=mailto:dmarc@{DOMAIN}")]},
    f"s2026._domainkey.{DOMAIN}": {"TXT": [txt(dkim(RSA_KEY))]},
    f"e2026._domainkey.{DOMAIN}": {"TXT": [txt(dkim(ED25519_KEY))]},
}


@dataclass(frozen=True)
class Case:
    """What is different from ``GOOD`` (None takes a name out), and the codes that must come up beside good ones."""

    name: str
    changes: Mapping[str, Records | None] = field(default_factory=dict)
    errors: frozenset[str] = frozenset()
    warnings: frozenset[str] = frozenset()
    unasked: frozenset[str] = frozenset()
    failing: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()

    @property
    def zone(self) -> Zone:
        merged = {**GOOD, **self.changes}
        return {name: records for name, records in merged.items() if records is not None}


def _spf(*records: str, **others: Records) -> dict[str, Records | None]:
    return {DOMAIN: {"MX": GOOD[DOMAIN]["MX"], "TXT": [txt(record) for record in records]}, **others}


def _dmarc(*records: str) -> dict[str, Records | None]:
    return {f"_dmarc.{DOMAIN}": {"TXT": [txt(record) for record in records]}}


def _dkim(*records: str | tuple[str, ...]) -> dict[str, Records | None]:
    return {
        f"s2026._domainkey.{DOMAIN}": {
            "TXT": [record if isinstance(record, tuple) else txt(record) for record in records]
        }
    }


def _f(*codes: str) -> frozenset[str]:
    return frozenset(codes)


_RUA = f"rua=mailto:dmarc@{DOMAIN}"
_PART: dict[str, Records | None] = {
    f"p{number}.{DOMAIN}": {"TXT": [txt("v=spf1 ip4:198.51.100.1 ~all")]} for number in range(1, 12)
}
_ALL_PARTS = " ".join(f"include:{name}" for name in _PART)
_FOREIGN = "v=DMARC1; p=reject; rua=mailto:a@reports.example"
_WITH_RUA = "v=DMARC1; p=reject; " + _RUA

CASES = [
    Case("good"),
    Case("spf missing", _spf("another-verification"), _f("spf.missing")),
    Case("spf twice", _spf(f"v=spf1 ip4:{ADDRESS} -all", "v=spf1 mx -all"), _f("spf.several")),
    Case(
        "spf with 11 look-ups",
        {**_spf(f"v=spf1 {_ALL_PARTS} ip4:{ADDRESS} -all"), **_PART},
        _f("spf.lookups"),
    ),
    Case(
        "spf names what is gone",
        _spf(f"v=spf1 a:gone1.{DOMAIN} a:gone2.{DOMAIN} mx:gone3.{DOMAIN} ip4:{ADDRESS} -all"),
        _f("spf.voids"),
    ),
    Case("spf names one that is gone", _spf(f"v=spf1 ip4:{ADDRESS} a:gone.{DOMAIN} -all"), warnings=_f("spf.void")),
    Case("spf for everybody", _spf("v=spf1 +all"), _f("spf.all")),
    Case("spf neutral", _spf(f"v=spf1 ip4:{ADDRESS} ?all"), warnings=_f("spf.neutral")),
    Case("spf without end", _spf(f"v=spf1 ip4:{ADDRESS}"), warnings=_f("spf.no_all")),
    Case("spf with ptr", _spf(f"v=spf1 ptr ip4:{ADDRESS} -all"), warnings=_f("spf.ptr")),
    Case(
        "spf in a circle",
        {**_spf(f"v=spf1 include:a.{DOMAIN} -all"), f"a.{DOMAIN}": {"TXT": [txt(f"v=spf1 include:{DOMAIN} -all")]}},
        _f("spf.loop"),
    ),
    Case(
        "spf includes nothing",
        _spf(f"v=spf1 include:none.{DOMAIN} ip4:{ADDRESS} -all"),
        _f("spf.include"),
    ),
    Case("spf with a slip", _spf(f"v=spf1 ipv4:{ADDRESS} -all"), _f("spf.syntax")),
    Case(
        "spf with a macro",
        {**_spf(f"v=spf1 exists:%{{ir}}.spf.{DOMAIN} -all"), f"10.2.0.192.spf.{DOMAIN}": {"A": ["127.0.0.2"]}},
    ),
    Case("spf with a macro that is none", _spf("v=spf1 exists:%{z}.example.com -all"), _f("spf.syntax")),
    Case("spf covers others", _spf("v=spf1 ip4:198.51.100.7 -all"), _f("spf.not_covered")),
    Case("dkim of another key", _dkim(dkim(OTHER_KEY)), _f("dkim.mismatch")),
    Case("dkim revoked", _dkim("v=DKIM1; p="), _f("dkim.revoked")),
    Case("dkim missing", {f"s2026._domainkey.{DOMAIN}": None}, _f("dkim.missing")),
    Case("dkim short", _dkim(dkim(SHORT_KEY)), _f("dkim.mismatch"), _f("dkim.weak")),
    Case("dkim testing", _dkim(dkim(RSA_KEY, "t=y; ")), warnings=_f("dkim.testing")),
    Case(
        "dkim in odd pieces",
        _dkim((dkim(RSA_KEY)[:40], dkim(RSA_KEY)[40:41], dkim(RSA_KEY)[41:290], dkim(RSA_KEY)[290:])),
    ),
    Case("dkim in two records", _dkim(dkim(RSA_KEY)[:255], dkim(RSA_KEY)[255:]), _f("dkim.several")),
    Case("dkim with quotation marks", _dkim(f'"{dkim(RSA_KEY)}"'), _f("dkim.syntax")),
    Case("dkim cut", _dkim(dkim(RSA_KEY)[:255]), _f("dkim.syntax")),
    Case("dmarc missing", {f"_dmarc.{DOMAIN}": None}, _f("dmarc.missing")),
    Case("dmarc twice", _dmarc(_WITH_RUA, "v=DMARC1; p=none"), _f("dmarc.several")),
    Case("dmarc with pct", _dmarc(f"v=DMARC1; p=reject; pct=20; {_RUA}"), warnings=_f("dmarc.pct")),
    Case(
        "dmarc with rf and ri",
        _dmarc(f"v=DMARC1; p=reject; rf=afrf; ri=86400; {_RUA}"),
        warnings=_f("dmarc.rf", "dmarc.ri"),
    ),
    Case("dmarc without p", _dmarc(f"v=DMARC1; {_RUA}"), warnings=_f("dmarc.no_policy")),
    Case("dmarc without p and rua", _dmarc("v=DMARC1; adkim=r"), _f("dmarc.no_policy"), _f("dmarc.no_rua")),
    Case("dmarc with a policy that is none", _dmarc(f"v=DMARC1; p=refuse; {_RUA}"), warnings=_f("dmarc.no_policy")),
    Case("dmarc without reports", _dmarc("v=DMARC1; p=reject"), warnings=_f("dmarc.no_rua")),
    Case("dmarc reports to strangers", _dmarc(_FOREIGN), _f("dmarc.rua_unauthorised")),
    Case(
        "dmarc reports to strangers who agree",
        {**_dmarc(_FOREIGN), f"{DOMAIN}._report._dmarc.reports.example": {"TXT": [txt("v=DMARC1")]}},
    ),
    Case("dmarc of a public suffix", _dmarc(f"v=DMARC1; p=reject; psd=y; {_RUA}"), warnings=_f("dmarc.psd")),
    Case("dmarc for what is not there", _dmarc(f"v=DMARC1; p=reject; np=reject; {_RUA}")),
    Case("dmarc on trial", _dmarc(f"v=DMARC1; p=reject; t=y; {_RUA}"), warnings=_f("dmarc.testing")),
    Case("dmarc that only watches", _dmarc(f"v=DMARC1; p=none; {_RUA}")),
    Case("dmarc with a slip", _dmarc(f"v=DMARC1; p=reject; p=none; {_RUA}"), _f("dmarc.syntax")),
    Case("no mail wanted", {DOMAIN: {"MX": ["0 ."], "TXT": GOOD[DOMAIN]["TXT"]}}, _f("mx.null")),
    Case("no mail exchanger", {DOMAIN: {"TXT": GOOD[DOMAIN]["TXT"]}}, _f("mx.missing")),
    Case(
        "an address in place of one", {DOMAIN: {"TXT": GOOD[DOMAIN]["TXT"], "A": [ADDRESS]}}, warnings=_f("mx.implicit")
    ),
    Case("a mail exchanger that is nowhere", {DOMAIN: {**GOOD[DOMAIN], "MX": [f"10 mx.{DOMAIN}."]}}, _f("mx.no_host")),
    Case("no name", {PTR: None}, _f("ptr.missing")),
    Case(
        "a name that leads elsewhere",
        {PTR: {"PTR": [f"other.{DOMAIN}."]}, f"other.{DOMAIN}": {"A": ["192.0.2.99"]}},
        _f("ptr.unconfirmed"),
    ),
    Case(
        "a name that we do not greet with",
        {PTR: {"PTR": [f"other.{DOMAIN}."]}, f"other.{DOMAIN}": {"A": [ADDRESS]}},
        warnings=_f("ptr.not_hello"),
    ),
    Case("a greeting that is nowhere", {HELLO: None}, _f("hello.unknown", "mx.no_host", "ptr.unconfirmed")),
    Case(
        "no such domain",
        dict.fromkeys(GOOD),
        _f("spf.missing", "dkim.missing", "dmarc.missing", "mx.no_domain", "ptr.missing", "hello.unknown"),
    ),
    Case(
        "servers that fail",
        failing=(DOMAIN, f"_dmarc.{DOMAIN}", PTR),
        unasked=_f("spf.unanswered", "dmarc.unanswered", "mx.unanswered", "ptr.unanswered"),
    ),
    Case("silence", silent=(f"s2026._domainkey.{DOMAIN}",), unasked=_f("dkim.unanswered")),
    Case("answers that are cut", cut=(DOMAIN, f"s2026._domainkey.{DOMAIN}", f"_dmarc.{DOMAIN}")),
]
