"""`syndicate subscribers …` as operators and scripts use it."""

from __future__ import annotations

import csv
import io
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CONFIG = """
[site]
title = "The Harbour Courier"
url = "https://courier.example"
[digest.morning]
frequencies = ["daily", "weekly"]
topics = ["Port", "Sport"]
[digest.weekend]
frequencies = ["weekly"]
optin = "single"
[delivery]
from = "The Harbour Courier <news@courier.example>"
"""

Call = Callable[..., Any]


@pytest.fixture
def subscribers(syndicate: Call, tmp_path: Path) -> Call:
    (tmp_path / "config.toml").write_text(CONFIG)
    return lambda *arguments: syndicate("subscribers", *arguments)


def test_added_listed_shown(subscribers: Call) -> None:
    done = subscribers(
        *("add", "Ann@example.org", "--digest", "morning", "--name", "Ann", "--frequency", "weekly"),
        *("--topic", "Port", "--topic", "sport", "--timezone", "Europe/London", "--language", "en", "--json"),
    )
    assert done.status == 0, done.err
    document = done.document
    assert (document["answer"], document["email"], document["name"]) == ("confirmation_owed", "Ann@example.org", "Ann")
    (subscription,) = document["subscriptions"]
    assert subscription["state"] == "unconfirmed"
    assert subscription["topics"] == ["port", "sport"]
    assert (
        subscribers("add", "bo@example.org", "--digest", "morning", "--confirmed").out == "bo@example.org: subscribed\n"
    )
    listed = subscribers("list", "--json").document
    assert [one["email"] for one in listed["subscribers"]] == ["bo@example.org", "Ann@example.org"]
    assert listed["total"] == 2
    shown = subscribers("show", "ann@EXAMPLE.org", "--json").document
    assert shown["subscriptions"][0]["consent"][0]["via"] == "cli"
    assert shown["created_at"].endswith("Z")
    text = subscribers("show", "ann@example.org").out
    assert "morning: unconfirmed, weekly, port, sport" in text


def test_pages_of_the_list(subscribers: Call) -> None:
    for name in ("ann", "bo", "cy"):
        subscribers("add", f"{name}@example.org", "--digest", "weekend" if name == "bo" else "morning", "--confirmed")
    first = subscribers("list", "--limit", "2", "--json").document["subscribers"]
    assert [one["email"] for one in first] == ["cy@example.org", "bo@example.org"]
    rest = subscribers("list", "--limit", "2", "--before", str(first[-1]["id"]), "--json").document["subscribers"]
    assert [one["email"] for one in rest] == ["ann@example.org"]
    of_one = subscribers("list", "--digest", "weekend", "--json").document["subscribers"]
    assert [one["email"] for one in of_one] == ["bo@example.org"]
    assert "--before" in subscribers("list", "--limit", "2").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "nobody", "--digest", "morning"), "no @"),
        (("add", "ann@example.org", "--digest", "evening"), "there is no digest 'evening'"),
        (("add", "ann@example.org", "--digest", "morning", "--frequency", "hourly"), "it offers: daily, weekly"),
        (("add", "ann@example.org", "--digest", "morning", "--topic", "opera"), "it offers: Port, Sport"),
        (("show", "ann@example.org"), "no subscriber ann@example.org"),
        (("unsubscribe", "ann@example.org"), "no subscriber ann@example.org"),
        (("list", "--digest", "evening"), "there is no digest"),
        (("import", "nowhere.csv"), "nowhere.csv cannot be read"),
        (("export", "--json"), "needs a FILE"),
    ],
)
def test_a_users_mistake_is_one_line_and_status_2(subscribers: Call, arguments: tuple[str, ...], words: str) -> None:
    done = subscribers(*arguments)
    assert done.status == 2
    assert words in done.err
    assert len(done.err.splitlines()) == 1
    assert "Traceback" not in done.err
    assert done.out == ""


def test_a_blocked_address_is_refused_with_the_reason(subscribers: Call) -> None:
    assert subscribers("erase", "ann@example.org", "--block").status == 0
    done = subscribers("add", "ann@example.org", "--digest", "morning")
    assert done.status == 1
    assert "gdpr-erasure" in done.err


def test_imported_and_exported(subscribers: Call, tmp_path: Path) -> None:
    (tmp_path / "readers.csv").write_bytes(
        '\ufeffemail;name;town\r\nann@example.org;Ann;Harbourtown\r\nbroken;;\r\nbo@example.org;"Bo; B.";\r\n'.encode()
    )
    done = subscribers("import", "readers.csv", "--digest", "morning", "--confirmed", "--json")
    assert done.status == 0, done.err
    document = done.document
    assert (document["lines"], document["added"], document["bad"]) == (3, 2, 1)
    assert document["unused_columns"] == ["town"]
    assert document["problems"] == [{"line": 3, "problem": "broken has no @"}]
    assert "line 3: broken has no @" in done.err
    (tmp_path / "misspelt.csv").write_text("email,nmae,frequencey\nann@example.org,Ann,daily\n")
    misspelt = subscribers("import", "misspelt.csv", "--digest", "morning")
    assert "not read: nmae (did you mean name?), frequencey (did you mean frequency?)" in misspelt.err
    out = subscribers("export")
    assert out.status == 0
    lines = list(csv.DictReader(io.StringIO(out.out)))
    assert [(line["email"], line["name"], line["state"]) for line in lines] == [
        ("ann@example.org", "Ann", "confirmed"),
        ("bo@example.org", "Bo; B.", "confirmed"),
    ]
    assert subscribers("export", "out.csv", "--json").document == {"file": "out.csv", "lines": 2}
    assert (tmp_path / "out.csv").read_bytes().decode() == out.out.replace("\r\n", "\n").replace("\n", "\r\n")
    assert stat.S_IMODE((tmp_path / "out.csv").stat().st_mode) == 0o600
    again = subscribers("import", "out.csv", "--json").document
    assert (again["added"], again["unchanged"], again["bad"]) == (0, 2, 0)


def test_import_from_standard_input_as_a_process(process: Call, syndicate: Call, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(CONFIG)
    done = process("subscribers", "import", "-", "--digest", "weekend", "--json", stdin="email\nann@example.org\n")
    assert done.status == 0, done.err
    assert done.document["added"] == 1
    exported = syndicate("subscribers", "export")
    assert exported.out.splitlines()[1] == "ann@example.org,,weekend,weekly,*,,,confirmed"


def test_unsubscribed_and_erased(subscribers: Call) -> None:
    subscribers("add", "ann@example.org", "--digest", "morning", "--confirmed")
    subscribers("add", "ann@example.org", "--digest", "weekend", "--confirmed")
    one = subscribers("unsubscribe", "ann@example.org", "--digest", "weekend", "--json").document
    assert [(sub["digest"], sub["state"], sub["changed"]) for sub in one["subscriptions"]] == [
        ("weekend", "unsubscribed", True)
    ]
    assert subscribers("unsubscribe", "ann@example.org").out == "ann@example.org: unsubscribed from morning\n"
    assert subscribers("unsubscribe", "ann@example.org").out == "ann@example.org: nothing to end\n"
    assert subscribers("erase", "ann@example.org", "--json").document == {
        "email": "ann@example.org",
        "erased": True,
        "blocked": False,
    }
    assert subscribers("list", "--json").document == {"subscribers": [], "total": 0}
    again = subscribers("erase", "ann@example.org")
    assert (again.status, again.out) == (1, "ann@example.org: was not known here\n")
    assert subscribers("erase", "ann@example.org", "--block").status == 0


def test_help_has_an_example(subscribers: Call) -> None:
    for command in ("add", "list", "show", "import", "export", "unsubscribe", "erase"):
        done = subscribers(command, "--help")
        assert done.status == 0
        assert "syndicate subscribers" in done.out
