"""How many messages a second one core signs with DKIM: RSA-2048 and Ed25519, on a digest of about 12 KB.

    .venv/bin/python benchmarks/sign.py [--messages N] [--rounds N] [--no-peer]

Rates by CPU time of one thread, which other load on the machine hardly moves. `fill` is what a reader's copy costs
without signatures; `rsa_alone` the bare operation of the library, which is the floor; dkimpy is the peer (RSA).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dkim
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from mail_samples import NONCE, headers, plain
from signatures import DOMAIN, ed25519_key, rsa_key, verdicts

from syndicate.core.dkim.signing import Signer
from syndicate.core.links import token_maker
from syndicate.core.message.digest_message import build_message
from syndicate.core.message.prepared import PreparedMessage
from syndicate.core.message.template import MessageTemplate
from syndicate.core.personal import Personal
from syndicate.core.render.slots import marker
from syndicate.model import Keyring, SigningKey

AT = datetime(2026, 11, 22, 7, 30, tzinfo=UTC)
OCTETS = 12_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-peer", action="store_true", help="leave dkimpy out, which takes most of the time")
    options = parser.parse_args()
    fill = copies()
    message = fill(1)
    both, rsa, ed25519 = (Signer(DOMAIN, keys) for keys in ([rsa_key(), ed25519_key()], [rsa_key()], [ed25519_key()]))
    assert verdicts(both(message, AT)) == [True, True]
    work: dict[str, Callable[[int], object]] = {
        "fill": fill,
        "both": lambda number: both(fill(number), AT, relaxed=True),
        "rsa": lambda number: rsa(fill(number), AT, relaxed=True),
        "ed25519": lambda number: ed25519(fill(number), AT, relaxed=True),
        "rsa_alone": lambda _number: rsa_key().sign(bytes(32)),
    }
    rates: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(options.rounds):
        for name, each in work.items():
            rates[name].append(rate(each, options.messages))
    report: dict[str, Any] = {
        "benchmark": "sign",
        "octets": len(message),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "load": os.getloadavg()[0],
        "per_second_of_cpu": {name: round(statistics.median(found)) for name, found in rates.items()},
    }
    if not options.no_peer:
        pem = rsa_key().private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        peer = rate(
            lambda _: dkim.sign(message, b"s2026", DOMAIN.encode(), pem, canonicalize=(b"relaxed", b"relaxed")), 50
        )
        report["per_second_of_cpu"]["dkimpy_rsa"] = round(peer)
        report["times_dkimpy"] = round(statistics.median(rates["rsa"]) / peer, 1)
    print(json.dumps(report, indent=2))


def copies() -> Callable[[int], bytes]:
    """What makes the copy of one reader: the headers of a digest, and a body up to the size."""
    filler = "<p>The night ferry returns to the pier at eight, and the town is there to see it.</p>\n"
    made = plain(html=f"<p>{marker('unsubscribe_url', NONCE)}</p>\n" + filler * (OCTETS // len(filler) - 14))
    personal = Personal(
        public_url="https://news.courier.example",
        message_domain=DOMAIN,
        return_path=f"bounces@{DOMAIN}",
        sender=f"news@{DOMAIN}",
    )
    keyring = Keyring(keys=(SigningKey(id="k1", secret=bytes(32)),), hash_key=bytes(32))
    tokens = token_maker(keyring)
    template = MessageTemplate(build_message(made, headers(date=None)))
    prepared = PreparedMessage(template, personal, tokens(0, 0, 0), web_url="https://news.courier.example/issues/1/1")
    return lambda number: prepared.fill(
        tokens(1, number, number), f"reader{number}@example.org", f"Reader {number}", AT
    )


def rate(work: Callable[[int], object], count: int) -> float:
    began = time.process_time()
    for number in range(1, count + 1):
        work(number)
    return count / (time.process_time() - began)


if __name__ == "__main__":
    main()
