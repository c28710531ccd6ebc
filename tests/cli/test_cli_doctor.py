"""``syndicate doctor`` as its user sees it: what it says, in which shape, and how it ends."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from calls import Call
from dns_server import DnsServer, txt
from doctor_zones import DOMAIN, ED25519_KEY, GOOD, RSA_KEY, pem
from smtp_server import RecordingServer

CONFIG = """
[site]
title = "The Harbour Courier"
url = "https://courier.example"
postal_address = "1 Quay Street, Harbourtown"
[service]
public_url = "http://127.0.0.1:9"
min_free_disk = 0
[source.stories]
type = "folder"
path = "articles"
[digest.morning]
[delivery]
transport = "smtp"
from = "The Harbour Courier <news@courier.example>"
[[smtp]]
host = "127.0.0.1"
port = {port}
tls_type = "none"
[dkim]
keys = {{ s2026 = "s2026.pem", e2026 = "e2026.pem" }}
[bounce]
return_path = "bounces@courier.example"
sending_ips = ["192.0.2.10"]
hello_hostname = "mail.courier.example"
"""
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def configured(folder: Path, port: int) -> None:
    (folder / "articles").mkdir()
    (folder / "articles" / "ferry.md").write_text(
        "---\ntitle: The ferry sails again\nurl: https://courier.example/f\n---\nx"
    )
    for name, key in (("s2026.pem", RSA_KEY), ("e2026.pem", ED25519_KEY)):
        (folder / name).write_bytes(pem(key))
        (folder / name).chmod(0o600)
    (folder / "config.toml").write_text(CONFIG.format(port=port))


def test_a_new_folder_is_well(syndicate: Call, tmp_path: Path) -> None:
    assert syndicate("init", "paper").status == 0
    result = syndicate("-c", "paper/config.toml", "doctor")
    assert (result.status, result.err) == (0, "")
    assert result.out.endswith("\nNothing must be mended.\n")
    assert "  · paper" not in result.out
    assert "is not there yet; the first start makes it" in result.out
    assert not re.search("^  [!✗?]", result.out, re.MULTILINE), result.out
    assert not (tmp_path / "paper" / "subscribers.db").exists()


def test_all_of_a_domain_is_well(syndicate: Call, tmp_path: Path) -> None:
    with RecordingServer() as relay, DnsServer(GOOD) as server:
        configured(tmp_path, relay.port)
        result = syndicate("doctor", "--only", "dns,relay", "--nameserver", server.address)
    assert (result.status, result.err) == (0, "")
    for line in (
        "SPF: who may send for us",
        "  ✓ courier.example: one record, 0 of 10 look-ups",
        "  ✓ courier.example: 192.0.2.10 may send (by ip4:192.0.2.10)",
        "  ✓ s2026._domainkey.courier.example: publishes the key that signs, RSA with 2048 bits",
        "  ✓ courier.example: one record, policy reject",
        "  ✓ 192.0.2.10: its name is mail.courier.example, which leads back to it",
        "  ✓ 127.0.0.1:" + str(relay.port) + ": takes mail from bounces@courier.example",
    ):
        assert line in result.out.splitlines()


def test_what_must_be_mended_is_told_with_what_to_do(syndicate: Call, tmp_path: Path) -> None:
    zone = GOOD | {DOMAIN: {"MX": GOOD[DOMAIN]["MX"], "TXT": [txt("v=spf1 +all")]}}
    with RecordingServer() as relay, DnsServer(zone) as server:
        configured(tmp_path, relay.port)
        result = syndicate("doctor", "--only", "spf", "--only", "mx", "--nameserver", server.address)
        as_json = syndicate("doctor", "--only", "spf", "--nameserver", server.address, "--json")
    assert result.status == 1
    assert (
        "  ✗ courier.example: +all lets everybody on the Internet send as courier.example\n    → end the record with -all"
        in result.out
    )
    assert result.out.endswith("\n1 thing must be mended (spf).\n")
    assert "Mail servers" not in result.out
    assert as_json.status == 1
    document = as_json.document
    assert (document["ok"], document["complete"], document["counts"]["error"]) == (False, True, 1)
    (error,) = [each for each in document["findings"] if each["verdict"] == "error"]
    assert (error["group"], error["code"], error["thing"]) == ("spf", "spf.all", "courier.example")
    assert as_json.err == ""


def test_what_nobody_answers_is_not_wrong(syndicate: Call, tmp_path: Path) -> None:
    configured(tmp_path, 9)
    with DnsServer(GOOD, failing=list(GOOD)) as server:
        result = syndicate("doctor", "--only", "dns", "--nameserver", server.address)
    assert result.status == 0
    assert "SERVFAIL" in result.out
    assert "went unanswered (try again)" in result.out


def test_nothing_at_all_works(syndicate: Call, tmp_path: Path) -> None:
    configured(tmp_path, 9)
    with DnsServer({}) as server:
        result = syndicate("doctor", "--nameserver", server.address)
    assert result.status == 1
    assert "no connection to 127.0.0.1 port 9: Connection refused" in result.out
    assert "there is no such domain: bounces do not come back" in result.out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(("--only", "weather"), "--only weather: expected dns"), (("--nameserver", "dns.example"), "expected an address")],
)
def test_calls_that_make_no_sense(syndicate: Call, tmp_path: Path, arguments: tuple[str, ...], word: str) -> None:
    configured(tmp_path, 9)
    result = syndicate("doctor", *arguments)
    assert (result.status, result.out) == (2, "")
    assert word in result.err


def test_a_configuration_with_errors_is_told_as_everywhere(syndicate: Call, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[bounce]\nsending_ips = ['mail.courier.example']\n")
    result = syndicate("doctor")
    assert result.status == 2
    assert 'bounce.sending_ips: expected an IP address such as "192.0.2.10"' in result.err


def on_a_terminal(folder: Path, *arguments: str, **environment: str) -> str:
    """What a terminal of 60 columns gets."""
    master, slave = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SYNDICATE_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "syndicate", *arguments],
        cwd=folder,
        stdout=slave,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        env=clean | {"COLUMNS": "60", "TERM": "xterm-256color", "LANG": "C.UTF-8", **environment},
    )
    os.close(slave)
    shown = b""
    try:
        while chunk := os.read(master, 65_536):
            shown += chunk
    except OSError:  # Linux says so when the other end is closed
        pass
    finally:
        os.close(master)
        process.wait(60)
    return shown.decode()


def test_on_a_terminal_it_is_coloured_and_wrapped(tmp_path: Path) -> None:
    configured(tmp_path, 9)
    with DnsServer({}) as server:
        arguments = ("doctor", "--only", "dns,relay", "--nameserver", server.address)
        shown = on_a_terminal(tmp_path, *arguments)
        plain = on_a_terminal(tmp_path, *arguments, NO_COLOR="1")
    assert "\x1b[" in shown
    assert max(len(line) for line in ANSI.sub("", shown).splitlines()) <= 60
    assert "\x1b[3" not in plain
    assert "✗ courier.example: there is no SPF record" in ANSI.sub("", plain)


def test_a_terminal_without_such_marks(tmp_path: Path) -> None:
    configured(tmp_path, 9)
    with DnsServer({}) as server:
        arguments = ("doctor", "--only", "mx", "--nameserver", server.address)
        shown = on_a_terminal(tmp_path, *arguments, PYTHONIOENCODING="ascii", NO_COLOR="1")
    shown = ANSI.sub("", shown)
    assert "x courier.example: there is no such domain" in shown
    assert "-> correct bounce.return_path" in shown
