"""``tokens`` and ``webhooks`` on the command line, and sources that are not read."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from publisher import Publisher
from web_servers import Answer, WebServer

EXTRA = """
[source.newsroom]
type = "push"

[webhook.crm]
url = "{url}/hook"
events = ["confirmed", "issue_finished"]
secret = "whsec_{secret}"
allow_private = true
"""


@pytest.fixture
def receiver() -> Iterator[WebServer]:
    with WebServer(lambda _request: Answer(status=204)) as server:
        yield server


@pytest.fixture
def paper(tmp_path: Path, receiver: WebServer) -> Publisher:
    secret = base64.b64encode(b"a secret of twenty-four b").decode()
    return Publisher(tmp_path, more=EXTRA.format(url=receiver.url, secret=secret)).write()


def test_a_token_is_made_listed_and_revoked(paper: Publisher) -> None:
    token = paper.json("tokens", "add", "cms", "--scope", "articles:write:newsroom", "--expires-in", "30d")["token"]
    assert token.startswith("syn_")
    (listed,) = paper.json("tokens", "list")["tokens"]
    assert listed["scopes"] == ["articles:write:newsroom"]
    assert listed["expired"] is False
    table = paper.run("tokens", "list")
    assert "cms" in table
    assert token not in table
    paper.run("tokens", "revoke", "cms")
    assert "there is no token cms" in paper.run("tokens", "revoke", "cms", status=1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cms",), "give the token a scope; there is: articles:read"),
        (("cms", "--scope", "everything"), "there is no scope 'everything'"),
        (("cms", "--scope", "articles:write:stories"), "no source 'stories' of type push in the configuration; there is: newsroom"),
        (("a b", "--scope", "issues:read"), "expected a name of letters, digits"),
        (("cms", "--scope", "issues:read", "--expires-in", "soon"), "--expires-in: expected"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_said(paper: Publisher, arguments: tuple[str, ...], said: str) -> None:
    assert said in paper.run("tokens", "add", *arguments, status=2)


def test_a_name_is_given_once(paper: Publisher) -> None:
    paper.run("tokens", "add", "cms", "--scope", "issues:read")
    again = paper.run("tokens", "add", "cms", "--scope", "issues:read", status=2)
    assert "`syndicate tokens revoke cms` ends it" in again


def test_a_webhook_is_tested_and_what_it_did_not_take_is_retried(paper: Publisher, receiver: WebServer) -> None:
    assert "took it (204)" in paper.run("webhooks", "test", "crm")
    assert len(receiver.posts()) == 1
    receiver.answer = lambda _request: Answer(status=500)
    paper.run("webhooks", "test", "crm", status=1)
    (overview,) = paper.json("webhooks", "list")["webhooks"]
    assert (overview["webhook"], overview["owed"], overview["given_up"]) == ("crm", 0, 1)
    (given_up,) = paper.json("webhooks", "log", "crm", "--state", "given_up")["messages"]
    assert [each["status"] for each in given_up["tries"]] == [500]
    assert paper.json("webhooks", "retry", "crm")["retried"] == 1
    receiver.answer = lambda _request: Answer(status=204)
    paper.run("subscribers", "add", "ann.brand@example.org", "--digest", "morning", "--confirmed")
    paper.run("run", "--once")
    kinds = sorted(b'"confirmed"' in request.body for request in receiver.posts())
    assert kinds == [False, False, False, True]
    assert "there is: crm" in paper.run("webhooks", "retry", "other", status=2)
    assert "there is: crm" in paper.run("webhooks", "log", "other", status=2)
    log = paper.json("webhooks", "log")["messages"]
    assert [each["event"] for each in log] == ["confirmed", "test", "test"]
    assert {each["state"] for each in log} == {"delivered"}


def test_a_push_source_is_not_read(paper: Publisher) -> None:
    assert [each["source"] for each in paper.json("poll")["sources"]] == ["stories"]
    assert "handed in over the API" in paper.run("poll", "newsroom", status=2)
