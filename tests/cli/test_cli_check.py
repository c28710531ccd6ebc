from __future__ import annotations

from pathlib import Path

import pytest
from calls import Call
from configurations import GOOD

LATER = "blocks = []\n"  # a key of [digest.NAME] of a later version, which asks for nothing


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "articles").mkdir()
    path = tmp_path / "config.toml"
    path.write_text(GOOD)
    path.chmod(0o640)
    return path


def test_all_is_well(syndicate: Call, config: Path) -> None:
    result = syndicate("check")
    assert (result.status, result.out, result.err) == (0, "config.toml: no errors, no warnings\n", "")
    assert syndicate("check", "--json").document == {"file": "config.toml", "ok": True, "errors": [], "warnings": []}


def test_every_problem_is_named_and_errors_end_with_2(syndicate: Call, config: Path) -> None:
    config.write_text(GOOD + '[feed.x]\nmax_items = "fifty"\n[digest.x]\nsend_at = "7"\n' + LATER)
    result = syndicate("check")
    assert result.status == 2
    assert result.out.splitlines() == [
        "error: config.toml: feed.x.max_items: expected a whole number from 1 to 10000, not 'fifty'",
        "error: config.toml: digest.x.send_at: expected a time of day in quotes such as \"07:30\", not '7'",
        "warning: config.toml: digest.x.blocks: has no effect yet in this version",
    ]
    assert result.err.startswith("syndicate: config.toml: 2 errors, 1 warning")

    as_json = syndicate("check", "--json")
    assert as_json.status == 2
    assert as_json.document["ok"] is False
    assert [problem["key"] for problem in as_json.document["errors"]] == ["feed.x.max_items", "digest.x.send_at"]
    assert as_json.document["warnings"] == [
        {"where": "config.toml", "key": "digest.x.blocks", "message": "has no effect yet in this version"}
    ]


def test_warnings_alone_end_with_0(syndicate: Call, config: Path) -> None:
    config.write_text(GOOD + "[digest.x]\n" + LATER)
    result = syndicate("check")
    assert result.status == 0
    assert result.out.splitlines()[-1] == "config.toml: no errors, 1 warning"


def test_the_environment_is_checked_too(process: Call, config: Path) -> None:
    result = process("check", env={"SYNDICATE_SITE__TITEL": "x", "SYNDICATE_FEED__ALL__MAX_ITEMS": "many"})
    assert result.status == 2
    assert "error: SYNDICATE_SITE__TITEL: unknown variable; did you mean SYNDICATE_SITE__TITLE?" in result.out
    assert "error: SYNDICATE_FEED__ALL__MAX_ITEMS: feed.all.max_items: expected a whole number" in result.out


def test_toml_faults_have_line_and_column(syndicate: Call, config: Path) -> None:
    config.write_text("[site]\ntitle = The Harbour Courier\n")
    result = syndicate("check")
    assert result.status == 2
    assert "at line 2, column 9" in result.out


def test_a_template_that_does_not_compile_is_named_with_its_line(syndicate: Call, config: Path, tmp_path: Path) -> None:
    (tmp_path / "templates" / "digest").mkdir(parents=True)
    (tmp_path / "templates" / "digest" / "digest.html").write_text("<p>\n<p>{% if %}\n")
    result = syndicate("check")
    assert result.status == 2
    assert "error: templates/digest/digest.html: line 2: " in result.out


def test_a_template_that_is_no_text_is_named(syndicate: Call, config: Path, tmp_path: Path) -> None:
    (tmp_path / "templates" / "digest").mkdir(parents=True)
    (tmp_path / "templates" / "digest" / "digest.html").write_bytes(b"\xff\xfe<p>")
    result = syndicate("check")
    assert result.status == 2
    assert "digest.html" in result.out
    assert "UTF-8" in result.out


def test_everything_is_in_one_report(syndicate: Call, config: Path, tmp_path: Path) -> None:
    config.write_text(
        GOOD.replace("[digest.morning]", '[digest.morning]\nsubject = "{{ top.titel }}"')
        + '[source.cms]\ntype = "database"\nurl = "sqlite:///cms.db"\ntable = "a"\nquery = "select"\n'
        + 'columns = {id = "id", titel = "t"}\n[service]\ndatabase = "oracle://x"\n'
    )
    for name, content in {
        "digest/digest.txt": b"\xff",
        "digest/digest.html": b"<p>\n{% if %}\n",
        "mails/confirm.html": b"{{ recipient.name }}",
        "pages/landing.html": b"<p>\n\n{{ site.titel }}\n",
        "pages/own.html": b"{% endif %}",
        "words/xx.toml": b"a =",
    }.items():
        path = tmp_path / "templates" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    result = syndicate("check")
    assert result.status == 2
    told = [
        line.removeprefix("error: ").split(": ")[:2] for line in result.out.splitlines() if line.startswith("error")
    ]
    assert told == [
        ["config.toml", "service.database"],
        ["config.toml", "source.cms.columns.title"],
        ["config.toml", "source.cms.columns.titel"],
        ["config.toml", "source.cms"],
        [
            "templates/digest/digest.txt",
            "is not UTF-8 (byte 0); save " + str(tmp_path / "templates/digest/digest.txt") + " as UTF-8",
        ],
        ["templates/words/xx.toml", "is no valid TOML"],
        ["templates/digest/digest.html", "line 2"],
        ["templates/mails/confirm.html", "line 1"],
        ["templates/pages/own.html", "line 1"],
        ["config.toml", "digest.morning.subject"],
        ["templates/pages/landing.html", "line 3"],
    ]
    assert result.err.startswith("syndicate: config.toml: 11 errors, 1 warning\n")


def test_a_configuration_that_is_wrong_all_over_still_has_its_templates_tried(syndicate: Call, config: Path) -> None:
    config.write_text(
        '[site]\ntitle = 5\ntimezone = "x"\nurl = "x"\n[digest.x]\ntimezone = 5\nfrom = "x"\n[delivery]\nfrom = 1\n'
    )
    result = syndicate("check")
    assert result.status == 2
    assert not [line for line in result.out.splitlines() if "templates/" in line or "unexpected" in line]
    assert "6 errors" in result.err


@pytest.mark.parametrize("address", ["garbage", "oracle://x", "sqlite://", "sqlite:////no/such/folder/a.db"])
def test_a_wrong_database_address_ends_every_command_with_2(
    syndicate: Call, config: Path, address: str, tmp_path: Path
) -> None:
    config.write_text(f'{GOOD}[service]\ndatabase = "{address}"\n')
    for command in (("check",), ("status",), ("db", "upgrade"), ("subscribers", "list")):
        result = syndicate(*command)
        assert result.status == 2, command
        assert "service.database: " in result.out + result.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["articles", "config.toml"]


def test_readers_who_would_get_nothing_are_named(syndicate: Call, config: Path, tmp_path: Path) -> None:
    both = GOOD.replace("[digest.morning]", '[digest.morning]\nfrequencies = ["daily", "weekly"]\n[digest.evening]')
    config.write_text(both)
    for number, wish in enumerate((("morning", "daily"), ("morning", "weekly"), ("evening", "daily"))):
        assert (
            syndicate(
                "subscribers",
                "add",
                f"reader{number}@example.org",
                "--digest",
                wish[0],
                "--frequency",
                wish[1],
                "--confirmed",
            ).status
            == 0
        )
    assert syndicate("check").out == "config.toml: no errors, no warnings\n"
    config.write_text(GOOD)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    result = syndicate("check", "--json")
    assert result.status == 0
    found = {problem["key"]: problem["message"] for problem in result.document["warnings"]}
    assert found.keys() == {"digest.evening", "digest.morning"}
    assert "1 reader" in found["digest.evening"]
    assert "'weekly'" in found["digest.morning"]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("content", "warnings"), [(b"", 0), (b"these are notes, and no database at all\n" * 50, 1)], ids=["empty", "notes"]
)
def test_a_database_that_cannot_be_looked_into(
    syndicate: Call, config: Path, tmp_path: Path, content: bytes, warnings: int
) -> None:
    (tmp_path / "subscribers.db").write_bytes(content)
    result = syndicate("check", "--json")
    assert result.status == 0
    assert [problem["key"] for problem in result.document["warnings"]] == ["service.database"] * warnings
    assert (tmp_path / "subscribers.db").read_bytes() == content
    if content:
        result = syndicate("status")
        assert result.status == 1
        assert "file is not a database" in result.err
        assert "unexpected" not in result.err


def test_a_subject_is_a_template_too(syndicate: Call, config: Path) -> None:
    config.rename(config.with_name("paper.toml"))
    config.with_name("paper.toml").write_text(
        GOOD.replace("[digest.morning]", '[digest.morning]\nsubject = "{{ top.titel }}"')
    )
    result = syndicate("-c", "paper.toml", "check")
    assert result.status == 2
    assert "error: paper.toml: digest.morning.subject: " in result.out


def test_nothing_is_written(syndicate: Call, config: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    syndicate("check")
    assert sorted(tmp_path.rglob("*")) == before
