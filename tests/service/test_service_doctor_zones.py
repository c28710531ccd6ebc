"""``doctor`` against a real DNS server: what it must say of each zone, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from dns_server import DnsServer
from doctor_zones import ADDRESS, CASES, DOMAIN, ED25519_KEY, HELLO, RSA_KEY, Case, pem

from syndicate.config.load import load_settings
from syndicate.core.doctor.finding import Finding, Verdict
from syndicate.service.doctor import examination

CONFIG = f"""
[site]
title = "The Harbour Courier"
url = "https://{DOMAIN}"
[service]
public_url = "https://news.{DOMAIN}"
[delivery]
transport = "smtp"
from = "The Harbour Courier <news@{DOMAIN}>"
[[smtp]]
host = "127.0.0.1"
[dkim]
keys = {{ s2026 = "s2026.pem", e2026 = "e2026.pem" }}
[bounce]
return_path = "bounces@{DOMAIN}"
sending_ips = ["{ADDRESS}"]
hello_hostname = "{HELLO}"
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("doctor")
    for name, key in (("s2026.pem", RSA_KEY), ("e2026.pem", ED25519_KEY)):
        (folder / name).write_bytes(pem(key))
        (folder / name).chmod(0o600)
    (folder / "config.toml").write_text(CONFIG)
    return folder / "config.toml"


def examined(config: Path, nameserver: str) -> list[Finding]:
    return examination(
        load_settings(config, {}),
        config=config,
        config_problems=[],
        template_problems=list,
        only=["dns"],
        nameserver=nameserver,
    )


def codes(findings: list[Finding], verdict: Verdict) -> set[str]:
    return {finding.code for finding in findings if finding.verdict is verdict}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_wrong_with_a_zone(case: Case, config: Path) -> None:
    with DnsServer(case.zone, failing=case.failing, silent=case.silent, cut=case.cut) as server:
        findings = examined(config, server.address)
    assert codes(findings, Verdict.ERROR) == case.errors
    assert codes(findings, Verdict.WARNING) == case.warnings
    assert codes(findings, Verdict.UNASKED) == case.unasked
    for finding in findings:
        assert finding.todo or finding.verdict in {Verdict.GOOD, Verdict.NOTE, Verdict.UNASKED}, finding
    if case.cut:
        assert {by for name, _, by in server.asked if name in case.cut} == {"udp", "tcp"}


def test_there_are_enough_zones() -> None:
    assert len(CASES) >= 23


def test_nobody_at_all_answers(config: Path) -> None:
    with DnsServer({}) as server:
        free = server.address
    findings = examined(config, free)
    assert codes(findings, Verdict.ERROR) == set()
    assert {"spf.unanswered", "dkim.unanswered", "dmarc.unanswered", "mx.unanswered"} <= codes(
        findings, Verdict.UNASKED
    )
