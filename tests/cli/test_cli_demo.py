"""``demo``: the whole way on the sample articles, in a folder that then is a paper like any other."""

from __future__ import annotations

import json
import mailbox
import re
from pathlib import Path

import pytest
from calls import Call
from starlette.testclient import TestClient

from syndicate.config.load import load_settings
from syndicate.service.samples import PICTURES
from syndicate.service.wiring import Services
from syndicate.web.app import make_app

LEAVE = ("--exit", "--json")


def test_the_demo_runs_twice_and_leaves_a_paper_that_works(syndicate: Call, tmp_path: Path) -> None:
    folder = tmp_path / "a paper"
    first = syndicate("demo", "--dir", folder, *LEAVE).document
    (issue,) = first["issues"]
    assert issue["state"] == "finished"
    assert issue["counts"]["accepted"] == issue["recipients"] > 5
    assert first["sources"][0]["added"] >= 24
    told = syndicate("demo", "--dir", folder, "--exit").out
    assert f"mutt -f '{folder.relative_to(tmp_path)}/outbox'" in told
    assert "syndicate -c 'a paper/config.toml' issues list" in told
    second = syndicate("demo", "--dir", folder, *LEAVE).document
    assert second["sources"][0]["added"] == 0
    assert second["issues"][0]["state"] == "skipped"
    messages = mailbox.Maildir(folder / "outbox", create=False)
    assert len(messages) == issue["recipients"] + 1  # one reader is asked to confirm
    listed = syndicate("-c", folder / "config.toml", "issues", "list", "--json").document["issues"]
    assert [each["id"] for each in listed] == [3, 2, 1]
    (polled,) = syndicate("-c", folder / "config.toml", "poll", "--json").document["sources"]
    assert (polled["error"], polled["added"], polled["updated"], polled["withdrawn"]) == (None, 0, 0, 0)


def test_the_pictures_of_the_samples_can_be_seen(syndicate: Call, tmp_path: Path) -> None:
    syndicate("demo", "--dir", tmp_path, *LEAVE)
    entries = json.loads((tmp_path / "feeds" / "all" / "feed.json").read_text())["items"]
    shown = {entry["image"] for entry in entries if "image" in entry}
    for entry in entries:
        shown.update(re.findall(r'<img[^>]+src="([^"]+)"', entry["content_html"]))
    assert len(shown) > 10
    services = Services(load_settings(tmp_path / "config.toml", {}))
    client = TestClient(make_app(services, pictures=PICTURES), base_url="http://127.0.0.1:8000")
    for address in shown:
        answer = client.get(address)
        assert (answer.status_code, answer.headers["content-type"][:6]) == (200, "image/"), address
    assert client.get("/media/../config.toml").status_code == 404
    assert client.get("/media/nothing.png").status_code == 404
    services.close()


def test_a_folder_that_cannot_be_one_is_told_in_one_line(syndicate: Call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for place in ("file", "file/below"):
        result = syndicate("demo", "--dir", place, "--exit")
        assert result.status == 2
        assert re.fullmatch(rf"syndicate: {place} cannot be written: .+\n", result.err)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("change", ['transport = "smtp"', None])
def test_somebodys_own_paper_gets_no_sample_readers(syndicate: Call, tmp_path: Path, change: str | None) -> None:
    if change is None:
        syndicate("init", "paper")
    else:
        syndicate("demo", "--dir", "paper", *LEAVE)
        config = tmp_path / "paper" / "config.toml"
        config.write_text(
            config.read_text().replace('# transport = "maildir"', f"{change} #") + '[[smtp]]\nhost = "x.example"\n'
        )
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}
    result = syndicate("demo", "--dir", "paper", "--exit")
    assert result.status == 2
    assert "give it a folder of its own, such as `--dir demo`" in result.err
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")} == before
