"""Judges that are not ours and not Python's: OpenDKIM holds our signatures good, SpamAssassin our mails for no spam."""

from __future__ import annotations

import mailbox
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from mail_pages import TEMPLATES, issue
from mail_samples import NONCE, SITE, VALUES, message, shipped_templates
from programs import program
from signatures import signer, zone

from syndicate.core.message.confirmation_message import KINDS, Confirmation, build_confirmation
from syndicate.core.message.headers import Mailbox
from syndicate.core.render.edition import render_edition

pytestmark = pytest.mark.slow

LANGUAGES = ("ar", "de", "en-GB", "es", "fr", "he", "ja", "zh")
# What SpamAssassin says of parts that do not belong together, and of mail that is not written as it should be.
FORBIDDEN = re.compile(r"MPART_ALT_DIFF|MIME_(?!GOOD)|HTML_(?!MESSAGE)|MISSING_|INVALID_|SUBJ|BASE64|URI_|UPPERCASE")


def digest(template: str, language: str, at: datetime) -> bytes:
    made = issue(template, language)
    texts = render_edition(shipped_templates(), made, NONCE)
    return signer()(message(texts, digest_title=made.digest_title, date=at), at)


def confirmation(kind: str, language: str, at: datetime) -> bytes:
    asked = Confirmation(
        site=SITE,
        digest_title="Morning Courier",
        language=language,
        zone="Europe/London",
        sender=Mailbox("The Harbour Courier", "subscriptions@courier.example"),
        recipient=VALUES["recipient.email"],
        confirm_url="https://news.courier.example/confirm/c1.AbCdEfGhIjKlMnOpQrSt",
        valid_until=at,
        date=at,
        message_id="confirm.abc@courier.example",
        kind=kind,
    )
    return signer()(build_confirmation(shipped_templates(), asked, NONCE), at)


def test_spamassassin_gives_no_point_to_any_mail_of_the_shipped_templates(tmp_path: Path) -> None:
    judge = program("spamassassin", "spamassassin")
    at = datetime.now(UTC).replace(microsecond=0)
    mails = {f"{name} {language}": digest(name, language, at) for name in TEMPLATES for language in LANGUAGES}
    mails |= {f"{kind} {language}": confirmation(kind, language, at) for kind in KINDS for language in LANGUAGES}
    box = mailbox.mbox(tmp_path / "mails")
    for data in mails.values():
        box.add(data.replace(b"\r\n", b"\n"))
    box.close()
    # Local tests only, no user's settings, nothing learnt: one process for all of them.
    command = [
        judge,
        "--local",
        "--prefspath=/dev/null",
        "--mbox",
        str(tmp_path / "mails"),
    ]
    judged = subprocess.run(
        command,
        capture_output=True,
        check=True,
        timeout=600,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
    )
    headers = re.findall(rb"^X-Spam-Status: (.*?)\n(?=\S)", judged.stdout, re.DOTALL | re.MULTILINE)
    told = [" ".join(each.decode().split()) for each in headers]
    assert len(told) == len(mails)
    for name, status in zip(mails, told, strict=True):
        score = re.search(r"score=(-?[\d.]+)", status)
        assert score is not None, status
        assert float(score[1]) <= 0.0, (name, status)
        assert not FORBIDDEN.search(status), (name, status)


@pytest.mark.parametrize("template", TEMPLATES)
def test_opendkim_verifies_both_signatures(tmp_path: Path, template: str) -> None:
    judge = program("opendkim", "opendkim")
    at = datetime.now(UTC).replace(microsecond=0)
    data = digest(template, "ja", at)
    assert verified_by_opendkim(judge, tmp_path, data) == {"rsa-sha256": "pass", "ed25519-sha256": "pass"}
    changed = data.replace(b"List-Unsubscribe-Post: List-", b"List-Unsubscribe-Post: Lost-")
    assert set(verified_by_opendkim(judge, tmp_path, changed).values()) == {"fail"}


def verified_by_opendkim(judge: str, folder: Path, data: bytes) -> dict[str, str]:
    """What it says of each signature, by algorithm."""
    (folder / "mail.eml").write_bytes(data)
    (folder / "keys").write_text("".join(f"{name} {record}\n" for name, record in zone().items()))
    (folder / "conf").write_text(f"Mode v\nTestPublicKeys {folder}/keys\nSyslog no\n")
    command = [judge, "-x", str(folder / "conf"), "-t", str(folder / "mail.eml"), "-v", "-v"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return {kind: verdict for verdict, kind in re.findall(r"dkim=(\w+) [^;]*header\.a=([\w-]+)", done.stdout)}
