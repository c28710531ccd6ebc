from __future__ import annotations

from pathlib import Path

import pytest
from configurations import Inspect

from syndicate.config.load import inspect_settings

RELAY = '[[smtp]]\nhost = "relay.example"\n'
SMTP = ("[delivery]", '[delivery]\ntransport = "smtp"\nconfirm_from = "News <hello@courier.example>"')
CASES = [
    ("[digest.x]\nblocks = []", "", ["digest.x.blocks: has no effect yet in this version"]),
    ("[digest.x]\nmerge = 'subscriber'", "", ["digest.x.merge: has no effect: no other digest has it"]),
    ("[digest.x]\nschedule = '0 7 * * *'\nsend_at = '08:00'", "", ["digest.x.send_at: has no effect beside schedule"]),
    ("[digest.x]\nweekly_on = 'friday'", "", ["digest.x.weekly_on: has no effect: no frequency of this digest needs it"]),
    ("[source.x]\ntype = 'folder'\npath = 'nowhere'", "", ["source.x.path: there is no folder {folder}/nowhere"]),
    ("[source.x]\ntype = 'database'\nurl = 'sqlite:///no.db'\ntable = 't'\ncolumns = {id = 'id', title = 't'}", "", ["source.x.url: there is no file {folder}/no.db"]),
    ("[source.x]\ntype = 'database'\nurl = 'sqlite+pysqlite:////no/where.db?mode=ro'\ntable = 't'\ncolumns = {id = 'id', title = 't'}", "", ["source.x.url: there is no file /no/where.db"]),
    ("[service]\nfeeds_dir = 'config.toml'\ntemplates_dir = 'config.toml'", "", [f"service.{key}: expected a folder; {{folder}}/config.toml is a file" for key in ("feeds_dir", "templates_dir")]),
    ("", "postal_address", ["site.postal_address: missing; the law of many countries wants it at the foot of every digest"]),
    ("", '[source.stories]\ntype = "folder"\npath = "articles"', ["source: there is no source, so there will be no articles"]),
    ("[dkim]\ndomain = 'courier.example'", "", ["dkim.domain: has no effect without keys: nothing is signed here"]),
    ("[dkim]\ndomain = 'mail.courier.example'\nkeys = {s1 = 's1.pem'}", "", []),
    ("[dkim]\ndomain = 'harbour.example'\nkeys = {s1 = 's1.pem'}", "", ["delivery.from: courier.example is not signed for: the signatures are those of harbour.example, and DMARC wants both alike"]),
    ("[digest.x]\nfrom = 'Port <news@port.example>'\n[dkim]\nkeys = {s1 = 's1.pem'}", "", ["digest.x.from: port.example is not signed for: the signatures are those of courier.example, and DMARC wants both alike"]),
    (RELAY, "", ["smtp: not used, since delivery.transport is maildir"]),
]  # fmt: skip


@pytest.mark.parametrize(("added", "removed", "expected"), CASES)
def test_what_works_but_is_hardly_meant_is_a_warning(
    inspect: Inspect, good: str, tmp_path: Path, added: str, removed: str, expected: list[str]
) -> None:
    text = "\n".join(line for line in good.replace(removed, "").splitlines() if not line.startswith(" = "))
    settings, problems = inspect(f"{text}\n{added}")
    assert settings is not None
    assert {problem.severity for problem in problems} <= {"warning"}
    assert [f"{problem.key}: {problem.message}" for problem in problems] == [
        line.format(folder=tmp_path) for line in expected
    ]


def warned(inspect: Inspect, text: str) -> dict[str, str]:
    settings, problems = inspect(text)
    assert settings is not None, problems
    return {problem.key: problem.message for problem in problems}


def test_sending_for_real_wants_a_public_address_and_bounces(inspect: Inspect, good: str) -> None:
    text = good.replace(*SMTP) + RELAY
    assert warned(inspect, text) == {
        "service.public_url": "http://127.0.0.1:8000 is this machine only: links in mails will not work for readers",
        "bounce.return_path": "missing; without it bounces cannot be told apart (no VERP)",
    }
    better = '[service]\npublic_url = "http://news.courier.example"\n[bounce]\nreturn_path = "b@courier.example"\n'
    assert warned(inspect, text + better) == {
        "service.public_url": "one-click unsubscribing (RFC 8058) works with https only"
    }
    assert warned(inspect, text + better.replace("http:", "https:")) == {}


@pytest.mark.parametrize("confirm_from", ["", 'confirm_from = "Desk <NEWS@courier.example>"'])
def test_confirmations_want_a_sender_of_their_own(inspect: Inspect, good: str, confirm_from: str) -> None:
    text = good.replace("[delivery]", f'[delivery]\ntransport = "smtp"\n{confirm_from}') + RELAY
    assert "have the sender of a digest" in warned(inspect, text)["delivery.confirm_from"]
    single = text.replace("[digest.morning]", '[digest.morning]\noptin = "single"')
    assert "delivery.confirm_from" not in warned(inspect, single)


@pytest.mark.parametrize(
    ("sender", "added", "says"),
    [
        ("news@gmail.com", "", "mail in the name of gmail.com is refused when it does not come from there (DMARC)"),
        ("news@yahoo.co.uk", "", "mail in the name of yahoo.co.uk is refused when it does not come from there (DMARC)"),
        ("no-reply@courier.example", "", "nobody reads the answers; set reply_to to a mailbox that is read"),
        ("DoNotReply@courier.example", "", "nobody reads the answers; set reply_to to a mailbox that is read"),
        ("noreply@courier.example", 'reply_to = "desk@courier.example"', None),
        ("me@courier.example", "", None),
        ("news@gmail.com.courier.example", "", None),
    ],
)
def test_senders_that_cannot_be_believed_or_answered(
    inspect: Inspect, good: str, sender: str, added: str, says: str | None
) -> None:
    text = good.replace('news@courier.example>"', f'{sender}>"\n{added}')
    assert warned(inspect, text) == ({"delivery.from": says} if says else {})
    own = good.replace("[digest.morning]", f'[digest.morning]\nfrom = "{sender}"\n{added}')
    assert warned(inspect, own) == ({"digest.morning.from": says} if says else {})


@pytest.mark.parametrize(
    "url",
    ["http://localhost:8000", "https://[::1]/news", "http://127.9.9.9", "http://x.localhost", "http://0.0.0.0:80"],
)
def test_all_names_of_this_machine_are_known(inspect: Inspect, good: str, url: str) -> None:
    found = warned(inspect, good.replace(*SMTP) + RELAY + f'[service]\npublic_url = "{url}"\n')
    assert "this machine only" in found["service.public_url"]


def test_unsafe_relays_are_named(inspect: Inspect, good: str) -> None:
    text = good.replace(*SMTP) + RELAY + 'tls_skip_verify = true\ntls_type = "none"\nusername = "u"\npassword = "p"\n'
    found = warned(inspect, text)
    assert "any certificate" in found["smtp.0.tls_skip_verify"]
    assert "unencrypted" in found["smtp.0.tls_type"]
    assert "smtp.0.tls_type" not in warned(inspect, text.replace("relay.example", "127.0.0.1"))


SECRETS = (
    RELAY + 'username = "u"\npassword = "p"\n'
    '[service]\ndatabase = "postgresql://u:p@h/d"\nheartbeat_url = "https://watch.example/abc"\n'
    '[source.cms]\ntype = "database"\nurl = "mysql://u:p@h/d"\ntable = "t"\ncolumns = {id = "id", title = "t"}\n'
)


def test_secrets_in_a_file_that_everybody_reads_are_named(tmp_path: Path, good: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(good + SECRETS)
    keys = {"service.database", "service.heartbeat_url", "source.cms.url", "smtp.0.password"}

    path.chmod(0o644)
    found = [problem for problem in inspect_settings(path, {})[1] if "chmod" in problem.message]
    assert {problem.key for problem in found} == keys
    assert found[0].message == "everybody on this machine can read the file; chmod o-r, or use database_file"
    path.chmod(0o640)
    assert not [problem for problem in inspect_settings(path, {})[1] if "chmod" in problem.message]


def test_no_secret_no_warning(tmp_path: Path, good: str) -> None:
    path = tmp_path / "config.toml"
    (tmp_path / "articles").mkdir()
    (tmp_path / "password").write_text("p")
    path.write_text(
        good.replace(*SMTP)
        + RELAY
        + 'username = "u"\npassword_file = "password"\n[service]\ndatabase = "sqlite:///a.db"\n'
    )
    path.chmod(0o644)
    environ = {"SYNDICATE_SERVICE__HEARTBEAT_URL": "https://watch.example/abc"}
    assert {problem.key for problem in inspect_settings(path, environ)[1]} == {
        "service.public_url",
        "bounce.return_path",
    }


def test_an_outbox_that_is_a_file_is_named_where_it_is_used(inspect: Inspect, good: str, tmp_path: Path) -> None:
    text = good.replace("[delivery]", '[delivery]\noutbox = "config.toml"')
    assert warned(inspect, text) == {"delivery.outbox": f"expected a folder; {tmp_path}/config.toml is a file"}
    better = '[service]\npublic_url = "https://a.example"\n[bounce]\nreturn_path = "b@courier.example"\n'
    assert warned(inspect, text.replace(*SMTP) + RELAY + better) == {}


def test_a_source_whose_file_is_there_is_no_doubt(inspect: Inspect, good: str, tmp_path: Path) -> None:
    (tmp_path / "articles.db").touch()
    source = "[source.x]\ntype = 'database'\nurl = '{}'\ntable = 't'\ncolumns = {{id = 'id', title = 't'}}\n"
    assert warned(inspect, good + source.format("sqlite:///articles.db")) == {}
    assert warned(inspect, good + source.format("postgresql://u@h/articles")) == {}
