from __future__ import annotations

from pathlib import Path

import pytest
from calls import Call
from configurations import GOOD


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
    config.write_text(GOOD + '[feed.x]\nmax_items = "fifty"\narchive = true\n[digest.x]\nsend_at = "7"\n')
    result = syndicate("check")
    assert result.status == 2
    assert result.out.splitlines() == [
        "error: config.toml: feed.x.max_items: expected a whole number from 1 to 10000, not 'fifty'",
        "error: config.toml: digest.x.send_at: expected a time of day in quotes such as \"07:30\", not '7'",
        "warning: config.toml: feed.x.archive: has no effect yet in this version",
    ]
    assert result.err.startswith("syndicate: config.toml: 2 errors, 1 warning")

    as_json = syndicate("check", "--json")
    assert as_json.status == 2
    assert as_json.document["ok"] is False
    assert [problem["key"] for problem in as_json.document["errors"]] == ["feed.x.max_items", "digest.x.send_at"]
    assert as_json.document["warnings"] == [
        {"where": "config.toml", "key": "feed.x.archive", "message": "has no effect yet in this version"}
    ]


def test_warnings_alone_end_with_0(syndicate: Call, config: Path) -> None:
    config.write_text(GOOD + "[feed.x]\narchive = true\n")
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
