"""From articles in a folder to feeds and to messages on a real mail server, through the program as its user runs it."""

from __future__ import annotations

import json
from email import message_from_bytes, policy
from pathlib import Path

import feedparser
import pytest
from publisher import Publisher
from smtp_server import RecordingServer

from syndicate.shipped import shipped


@pytest.fixture
def paper(tmp_path: Path, database_url: str) -> Publisher:
    return Publisher(tmp_path, database=database_url, transport="smtp")


def relay(server: RecordingServer) -> str:
    return f'[[smtp]]\nhost = "127.0.0.1"\nport = {server.port}\ntls_type = "none"\nmax_conns = 3\n'


def test_the_whole_way(paper: Publisher) -> None:
    replies = {"reader3@example.org": "450 4.2.0 greylisted", "reader5@example.org": "550 5.1.1 no such user"}
    with RecordingServer(replies=replies) as server:
        paper.delivery = 'retry = ["1s"]'
        paper.digest = 'lookback = "36500d"'  # the samples grow older
        paper.more = relay(server)
        paper.apart = True
        paper.write()
        sample = shipped("examples") / "articles"
        config = paper.config.read_text().replace('path = "articles"', f"path = {json.dumps(str(sample))}")
        paper.config.write_text(config)

        (source,) = paper.json("poll")["sources"]
        assert source["seen"] >= 24
        assert source["error"] is None
        feeds = paper.json("feeds", "build")["feeds"]
        assert [(feed["feed"], feed["changed"]) for feed in feeds] == [("all", 3), ("issues-morning", 3)]
        paper.run("subscribers", "import", str(paper.readers(12)), "--confirmed")
        issue = paper.json("send", "morning")
        assert issue["counts"] | {"accepted": 10, "rejected": 1, "deferred": 1} == issue["counts"]
        assert (issue["recipients"], issue["balanced"], issue["state"]) == (12, True, "running")

        server.replies = {}
        for _ in range(20):
            paper.run("deliver")
            issue = paper.json("issues", "show", str(issue["id"]))
            if issue["state"] == "finished":
                break
        assert issue["counts"] | {"accepted": 11, "rejected": 1, "deferred": 0} == issue["counts"]
        assert issue["started_at"] >= issue["composed_at"]
        received = server.messages

    check_feeds(paper.folder / "feeds" / "all")
    assert sorted(message.recipient for message in received) == sorted(
        f"reader{number}@example.org" for number in range(12) if number != 5
    )
    ids = set()
    for each in received:
        message = message_from_bytes(each.data, policy=policy.default)
        assert message.defects == []
        for part in message.walk():
            assert part.defects == []
        text, page = message.iter_parts()
        assert "unsubscribe" in text.get_content().lower()
        assert "<h1" in page.get_content()
        ids.add(message["Message-ID"])
    assert len(ids) == 11
    again = paper.json("send", "morning")
    assert (again["state"], again["reason"]) == ("skipped", "nothing new for 12 subscriptions")


def check_feeds(folder: Path) -> None:
    rss, atom = (feedparser.parse((folder / name).read_bytes()) for name in ("rss.xml", "atom.xml"))
    items = json.loads((folder / "feed.json").read_text())["items"]
    assert not rss.bozo
    assert not atom.bozo
    assert [entry.id for entry in rss.entries] == [entry.id for entry in atom.entries] == [item["id"] for item in items]
    assert len(items) >= 24
    for entry in atom.entries:
        assert entry.id.startswith("tag:courier.example,")
        assert entry.updated_parsed
        assert "<script" not in entry.content[0].value


def test_a_mail_server_that_is_down_is_told_in_one_line_and_loses_nothing(paper: Publisher) -> None:
    with RecordingServer() as server:
        paper.more = relay(server)
    paper.write()
    paper.article("a")
    paper.run("poll")
    paper.run("subscribers", "import", str(paper.readers(3)), "--confirmed")
    complaint = paper.run("send", "morning", status=1)
    assert "127.0.0.1" in complaint
    assert len(complaint.strip().splitlines()) == 1, complaint
    (issue,) = paper.json("issues", "list")["issues"]
    assert issue["counts"]["queued"] == 3
