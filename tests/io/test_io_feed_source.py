"""Feeds on a real server, good and bad: what is asked, how often, and what becomes of the answers."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import IPv4Network
from typing import Any

import pytest
from feed_server import Answer, Asked, FeedServer, feed_server

from syndicate.config.sources import FeedSource
from syndicate.core.feed_reading import Ours
from syndicate.io.feed_source import FeedSourceReader
from syndicate.io.guard import Limits
from syndicate.io.sources import Known, Reading
from syndicate.model import SourceItem

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
DAY = timedelta(days=1)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with feed_server() as running:
        yield running


def rss(*items: str, head: str = "") -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom">'
        f"<channel><title>Port News</title><link>https://port.example/</link>{head}{''.join(items)}</channel></rss>"
    )


def item(number: int, title: str | None = None, more: str = "") -> str:
    return (
        f"<item><title>{title or f'Story {number}'}</title><link>https://port.example/{number}</link>"
        f"<guid>https://port.example/{number}</guid><pubDate>Sat, 21 Nov 2026 0{number % 10}:00:00 GMT</pubDate>{more}</item>"
    )


@dataclass
class Polls:
    """A source as ingest polls it: what it gave is known to it the next time."""

    settings: FeedSource
    ours: Ours = field(default_factory=Ours)
    now: datetime = NOW
    state: Any = field(default_factory=dict)
    stamps: dict[str, str] = field(default_factory=dict)
    reading: Reading = field(default_factory=lambda: Reading(pages=iter(())))

    def poll(self, *, after: timedelta = HALF_HOUR, insist: bool = False) -> list[SourceItem]:
        self.now += after
        reader = FeedSourceReader("agency", self.settings, self.ours, insist=insist)
        known = Known(
            all=lambda: dict(self.stamps), some=lambda of: {key: self.stamps[key] for key in of if key in self.stamps}
        )
        self.reading = reader.read(known, self.state, self.now)
        found = []
        for page in self.reading.pages:
            found += page
            self.stamps |= {one.item: one.stamp for one in page}
        self.state = self.reading.state
        for gone in self.reading.removed or ():
            del self.stamps[gone]
        return found

    def error(self) -> str | None:
        return self.reading.error

    def titles(self, **given: Any) -> list[str]:
        return [one.fields["title"] for one in self.poll(**given) if not one.error]

    def problems(self, **given: Any) -> dict[str, str]:
        return {one.item: one.error for one in self.poll(**given) if one.error}


def source(*urls: str, **given: Any) -> Polls:
    # timeout: short where a test waits for it; a shared machine may take a second for a local answer.
    return Polls(FeedSource(type="feed", urls=urls, **{"allow_private": True, "timeout": "10s"} | given))


def test_what_is_new_or_changed_is_given_once(server: FeedServer) -> None:
    polls = source(server.set("/f", rss(item(1), item(2))))
    assert polls.titles() == ["Story 1", "Story 2"]
    assert polls.reading.seen == 2
    assert polls.titles() == []
    server.set("/f", rss(item(3), item(1, "Story 1, corrected"), item(2)))
    assert polls.titles() == ["Story 3", "Story 1, corrected"]
    assert polls.reading.error is None


def test_it_says_who_asks(server: FeedServer) -> None:
    url = server.set("/f", rss(item(1)))
    Polls(FeedSource(type="feed", url=url, allow_private=True), Ours(public_url="https://news.example")).poll()
    assert server.asked[0].headers["user-agent"].startswith("Syndicate/")
    assert server.asked[0].headers["user-agent"].endswith(" (+https://news.example)")
    assert "application/atom+xml" in server.asked[0].headers["accept"]
    source(url, user_agent="HarbourCourier/1.0").poll()
    assert server.asked[1].headers["user-agent"] == "HarbourCourier/1.0"


def test_it_asks_conditionally_and_takes_304_for_nothing_new(server: FeedServer) -> None:
    polls = source(server.conditional("/f", rss(item(1)), '"a"'))
    assert polls.titles() == ["Story 1"]
    assert "if-none-match" not in server.asked[0].headers
    assert polls.poll() == []
    assert server.asked[1].headers["if-none-match"] == '"a"'
    assert (polls.reading.error, polls.reading.seen, polls.reading.removed) == (None, 1, frozenset())
    server.conditional("/f", rss(item(2), item(1)), '"b"')
    assert polls.titles() == ["Story 2"]
    assert polls.poll() == []
    assert server.asked[3].headers["if-none-match"] == '"b"'


def test_last_modified_is_sent_back_as_it_came(server: FeedServer) -> None:
    polls = source(server.set("/f", rss(item(1)), Last_Modified="Sat, 21 Nov 2026 10:00:00 GMT"))
    polls.poll()
    polls.poll()
    assert server.asked[1].headers["if-modified-since"] == "Sat, 21 Nov 2026 10:00:00 GMT"


def test_other_settings_read_the_same_document_anew(server: FeedServer) -> None:
    polls = source(server.conditional("/f", rss(item(1, "A &amp;amp; B")), '"a"'))
    assert polls.titles() == ["A &amp; B"]
    polls.settings = polls.settings.model_copy(update={"titles": "html"})
    assert polls.titles() == ["A & B"]
    assert "if-none-match" not in server.asked[1].headers


def test_ttl_and_max_age_make_it_ask_more_seldom_never_more_often(server: FeedServer) -> None:
    slow = server.set("/slow", rss(item(1), head="<ttl>120</ttl>"))
    cached = server.set("/cached", rss(item(2)), Cache_Control="public, max-age=5400")
    eager = server.set("/eager", rss(item(3), head="<ttl>1</ttl>"), Cache_Control="max-age=10")
    polls = source(slow, cached, eager)
    polls.poll()
    assert sorted(server.paths()) == ["/cached", "/eager", "/slow"]
    asked = []
    for _ in range(4):
        polls.poll()
        asked.append(sorted(server.paths()))
    assert asked == [["/eager"], ["/eager"], ["/cached", "/eager"], ["/eager", "/slow"]]
    polls.poll(after=timedelta(minutes=1))
    assert server.paths() == []
    polls.poll(after=timedelta(minutes=1), insist=True)
    assert sorted(server.paths()) == ["/cached", "/eager", "/slow"]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_honoured_even_when_somebody_insists(server: FeedServer, status: int, as_date: bool) -> None:
    until = format_datetime(NOW + HALF_HOUR + timedelta(hours=2), usegmt=True) if as_date else "7200"
    server.pages["/f"] = Answer(status=status, headers={"Retry-After": until})
    polls = source(server.url + "/f")
    assert polls.poll() == []
    assert str(status) in str(polls.reading.error)
    server.set("/f", rss(item(1)))
    for _ in range(3):
        assert polls.poll(insist=True) == []
        assert str(status) in str(polls.reading.error)
    assert server.paths() == ["/f"]
    assert polls.titles(insist=True) == ["Story 1"]
    assert polls.reading.error is None


def test_a_feed_that_fails_is_asked_more_and_more_seldom_and_the_others_go_on(server: FeedServer) -> None:
    good = server.set("/good", rss(item(1)))
    bad = server.url + "/bad"
    polls = source(good, bad)
    assert list(polls.problems()) == [bad]
    assert polls.reading.error is None
    server.paths()
    asked = 0
    for _ in range(48):
        polls.poll()
        asked += server.paths().count("/bad")
    assert asked == 5  # after 30 minutes, and then 1, 2, 4, 8 hours after the one before
    server.set("/bad", rss(item(2)))
    assert polls.titles(after=DAY) == ["Story 2"]
    assert bad not in polls.stamps
    assert bad in (polls.reading.removed or ())


def test_when_all_fail_the_source_is_broken_and_remembers_it(server: FeedServer) -> None:
    polls = source(server.url + "/a", server.url + "/b")
    assert polls.poll() == []
    assert "/a: its server answered 404 Not Found; " in str(polls.reading.error)
    server.paths()
    polls.poll(after=timedelta(minutes=1))
    assert server.paths() == []
    assert "/a: its server answered 404 Not Found" in str(polls.reading.error)


def test_gone_is_not_asked_again_until_somebody_insists(server: FeedServer) -> None:
    server.pages["/f"] = Answer(status=410)
    polls = source(server.url + "/f")
    polls.poll()
    assert "gone for good (410)" in str(polls.reading.error)
    for _ in range(5):
        polls.poll(after=DAY)
    assert server.paths() == ["/f"]
    server.set("/f", rss(item(1)))
    assert polls.titles(insist=True) == ["Story 1"]


def test_a_permanent_redirect_is_remembered_a_temporary_one_is_not(server: FeedServer) -> None:
    server.set("/new", rss(item(1)))
    for status, then in ((301, "/new"), (308, "/new"), (302, "/old"), (307, "/old")):
        server.pages["/old"] = Answer(status=status, headers={"Location": "/new"})
        polls = source(server.url + "/old")
        polls.poll()
        assert server.paths() == ["/old", "/new"]
        polls.poll()
        assert server.paths()[0] == then


def test_where_it_moved_to_is_forgotten_when_that_fails(server: FeedServer) -> None:
    server.set("/new", rss(item(1)))
    server.pages["/old"] = Answer(status=301, headers={"Location": "/new"})
    polls = source(server.url + "/old")
    polls.poll()
    server.pages["/new"] = Answer(status=410)
    server.set("/old", rss(item(1), item(2)))
    polls.poll()
    assert polls.reading.error
    assert polls.titles() == ["Story 2"]


def test_redirects_to_private_addresses_and_in_circles_are_refused(server: FeedServer) -> None:
    server.pages["/circle"] = Answer(status=302, headers={"Location": "/circle"})
    polls = source(server.url + "/circle")
    polls.poll()
    assert "redirects" in str(polls.reading.error)
    polls = source(server.url + "/circle", allow_private=False)
    server.paths()
    polls.poll()
    assert "private" in str(polls.reading.error)
    assert "allow_private = true" in str(polls.reading.error)  # what to do if it is meant
    assert server.paths() == []


def test_a_redirect_into_a_private_network_is_refused(server: FeedServer) -> None:
    port = server.url.rpartition(":")[2]
    server.pages["/f"] = Answer(status=301, headers={"Location": f"http://127.0.0.2:{port}/inside"})
    settings = FeedSource(type="feed", url=server.url + "/f")
    limits = Limits(networks=(IPv4Network("127.0.0.1/32"),))  # stands for the Internet
    reading = FeedSourceReader("agency", settings, limits=limits).read(Known(all=dict, some=lambda _of: {}), {}, NOW)
    assert list(reading.pages) == []
    assert "127.0.0.2" in str(reading.error)
    assert server.paths() == ["/f"]


def test_an_entry_that_left_the_window_stays(server: FeedServer) -> None:
    polls = source(server.set("/f", rss(item(1), item(2))))
    polls.poll()
    server.set("/f", rss(item(3)))
    assert polls.titles() == ["Story 3"]
    assert polls.reading.removed == frozenset()
    server.set("/f", rss())
    polls.poll()
    assert len(polls.stamps) == 3


def test_it_goes_where_the_settings_or_the_feed_say_so(server: FeedServer) -> None:
    polls = source(server.set("/f", rss(item(1), item(2))), keep="window")
    polls.poll()
    server.set("/f", rss(item(2)))
    polls.poll()
    assert polls.stamps.keys() == {"port.example/2"}
    server.set("/f", rss())  # an empty feed is rather a fault than the end of all articles
    polls.poll()
    assert polls.stamps.keys() == {"port.example/2"}
    complete = '<fh:complete xmlns:fh="http://purl.org/syndication/history/1.0"/>'
    polls = source(server.set("/g", rss(item(1), item(2), head=complete)))
    polls.poll()
    server.set("/g", rss(item(1), head=complete))
    polls.poll()
    assert polls.stamps.keys() == {"port.example/1"}


def test_a_tombstone_takes_an_entry_back(server: FeedServer) -> None:
    polls = source(server.set("/f", rss(item(1), item(2))))
    polls.poll()
    tombstone = (
        '<at:deleted-entry xmlns:at="http://purl.org/atompub/tombstones/1.0" ref="http://PORT.example/1" '
        'when="2026-11-22T08:00:00Z"/>'
    )
    server.set("/f", rss(item(2), head=tombstone))
    polls.poll()
    assert polls.reading.removed == frozenset({"port.example/1"})
    polls.poll()
    assert polls.reading.removed == frozenset()


def test_an_entry_in_several_feeds_is_the_first_ones(server: FeedServer) -> None:
    main = server.set("/main", rss(item(1, "Whole")))
    port = server.set("/port", rss(item(1, "Short"), item(2)))
    polls = source(main, port)
    assert polls.titles() == ["Whole", "Story 2"]
    assert polls.titles() == []
    server.set("/main", rss(item(3)))
    server.set("/port", rss(item(1, "Shorter"), item(2)))
    assert polls.titles() == ["Story 3"]
    polls.settings = FeedSource(type="feed", url=port, allow_private=True)
    assert polls.titles() == ["Shorter"]  # nobody else has it any more


def test_a_site_that_moves_to_https_repeats_nothing(server: FeedServer) -> None:
    polls = source(server.set("/f", rss(item(1), item(2)).replace("https://port", "http://port")))
    polls.poll()
    known = set(polls.stamps)
    server.set("/f", rss(item(1), item(2)).replace("/1</guid>", "/1?utm_source=rss#ref=feed</guid>"))
    polls.poll()
    assert set(polls.stamps) == known


def test_two_entries_with_one_id_are_told_and_the_newer_is_taken(server: FeedServer) -> None:
    polls = source(server.set("/f", rss(item(1, "Older"), item(2), item(1, "Newer").replace("01:00:00", "05:00:00"))))
    found = polls.poll()
    assert [one.fields["title"] for one in found if not one.error] == ["Newer", "Story 2"]
    assert ["two entries have this id" in str(one.error) for one in found if one.error] == [True]
    server.set("/f", rss(item(1, "Newer"), item(2)))
    polls.poll()
    assert polls.stamps.keys() == {"port.example/1", "port.example/2"}


def bad(body: bytes, **given: Any) -> Answer:
    return Answer(body=body, **given)


LONG = rss(*(item(number, "x" * 50) for number in range(200))).encode()
BOMB = gzip.compress(b"<rss><channel>" + b" " * 60_000_000 + b"</channel></rss>")
LAUGHS = (
    '<!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    + "".join(f'<!ENTITY {chr(i + 1)} "{f"&{chr(i)};" * 8}">' for i in range(ord("b"), ord("m")))
    + "]>"
)
EXTERNAL = '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
BAD: list[tuple[str, Answer, str]] = [
    ("shorter than announced", Answer(body=LONG[:5000], length=len(LONG)), ""),
    ("cut off without a length", Answer(body=LONG[:5000], close=True), "cut off"),
    ("cut off inside a tag of gzip", Answer(body=gzip.compress(LONG)[:300], headers={"Content-Encoding": "gzip"}), ""),
    ("half a JSON document", Answer(body=b'{"version": "https://jsonfeed.org/version/1.1", "items": ['), "cut off"),
    ("a gzip bomb", Answer(body=BOMB, headers={"Content-Encoding": "gzip"}), "15000000"),
    ("too large", Answer(body=b" " * 15_100_000), "15000000"),
    ("an entity bomb", bad(LAUGHS.encode() + rss(item(1, "&m;")).split("?>")[1].encode()), "entities of its own"),
    ("an external entity", bad(EXTERNAL.encode() + rss(item(1, "&x;")).split("?>")[1].encode()), "entities of its own"),
    ("a web page", bad(b'<!doctype html><link rel=alternate type="application/rss+xml" href="/f.rss">'), "/f.rss"),
    ("a web page as XHTML", bad(b'<html xmlns="http://www.w3.org/1999/xhtml"><body/></html>'), "web page"),
    ("another XML", bad(b"<svg/>"), "<svg>"),
    ("another JSON", bad(b'{"a": 1}'), "no JSON Feed"),
    ("nested JSON", bad(b'{"version": ' + b"[" * 200_000), "no JSON"),
    ("nothing", bad(b""), "empty"),
    ("a picture", bad(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20), "neither XML nor JSON"),
    ("an encoding of their own", Answer(body=LONG, headers={"Content-Encoding": "rot13"}), "rot13"),
    ("304 to whom has nothing", Answer(status=304), "304"),
    ("a fault of theirs", Answer(status=500), "500"),
    ("no content", Answer(status=204), "204"),
    ("a status nobody knows", Answer(status=799), "799"),
]


@pytest.mark.parametrize(("answer", "told"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_answer_leaves_what_was_good(server: FeedServer, answer: Answer, told: str) -> None:
    polls = source(server.conditional("/f", rss(item(1), item(2)), '"a"'), keep="window")
    polls.poll()
    stamps = dict(polls.stamps)
    server.pages["/f"] = answer if answer.status != 304 else lambda _asked: answer
    if answer.status == 304:
        polls.settings = polls.settings.model_copy(update={"titles": "html"})  # forgets the entity tag
    assert polls.poll() == []
    assert told in str(polls.reading.error)
    assert polls.reading.error
    assert "Traceback" not in polls.reading.error
    assert (polls.stamps, polls.reading.removed) == (stamps, frozenset())
    server.conditional("/f", rss(item(1), item(2)), '"a"')
    assert polls.titles(after=DAY) == []
    assert polls.error() is None
    assert polls.stamps == stamps


def test_a_server_that_drips_is_left_in_time(server: FeedServer) -> None:
    server.pages["/f"] = Answer(body=LONG, drip=0.1)
    polls = source(server.url + "/f", timeout="1s")
    began = datetime.now(UTC)
    polls.poll()
    assert "1 s" in str(polls.reading.error)
    assert datetime.now(UTC) - began < timedelta(seconds=5)


def test_nobody_listens() -> None:
    polls = source("http://127.0.0.1:9/f")
    polls.poll()
    assert "127.0.0.1:9" in str(polls.reading.error)


def test_a_feed_of_our_own_is_refused_wherever_it_is_found(server: FeedServer) -> None:
    ours = Ours(public_url="https://news.courier.example", authority="courier.example", sources=("stories",))
    own = '<atom:link rel="self" href="http://NEWS.courier.example/feeds/all/rss.xml"/>'
    polls = Polls(source(server.set("/f", rss(item(1), head=own))).settings, ours)
    polls.poll()
    assert "feed of our own" in str(polls.reading.error)
    minted = "<item><title>A</title><guid>tag:courier.example,2026-11-20:stories/a</guid></item>"
    server.set("/f", rss(minted, head="<generator>Syndicate</generator>"))
    polls.poll()
    assert "feed of our own" in str(polls.reading.error)
    # Somebody who collects feeds shows an article of ours among others.
    server.set("/f", rss(minted, item(1)))
    assert polls.titles(after=DAY) == ["Story 1"]


def test_ten_megabytes_and_what_is_too_large_for_an_article(server: FeedServer) -> None:
    large = f"<description>{'word ' * 2_100_000}</description>"
    polls = source(server.set("/f", rss(item(1, more=large), item(2))))
    found = polls.poll()
    assert [one.fields["title"] for one in found if not one.error] == ["Story 2"]
    assert "max_article_size" in str([one.error for one in found if one.error])
    polls = source(polls.settings.addresses[0], max_article_size="11 MB")
    assert polls.titles() == ["Story 1", "Story 2"]


def test_a_document_with_faults_is_read_and_told(server: FeedServer) -> None:
    polls = source(server.set("/f", rss(item(1, "Fish & chips&nbsp;&copy;"), item(2))))
    found = polls.poll()
    assert [one.fields["title"] for one in found if not one.error] == ["Fish & chips\xa0©", "Story 2"]
    assert "not well-formed" in str([one.error for one in found if one.error])
    server.set("/f", rss(item(1), item(2)))
    assert polls.problems() == {}
    assert polls.stamps.keys() == {"port.example/1", "port.example/2"}


def test_a_feed_that_says_it_has_ended_is_asked_once_a_day(server: FeedServer) -> None:
    ended = '{"version": "https://jsonfeed.org/version/1.1", "expired": true, "items": [{"id": "1", "title": "Last"}]}'
    polls = source(server.set("/f", ended))
    assert polls.titles() == ["Last"]
    for _ in range(47):
        polls.poll()
    assert server.paths() == ["/f"]
    polls.poll()
    assert server.paths() == ["/f"]


def test_a_kept_state_of_another_version_is_no_fault(server: FeedServer) -> None:
    polls = source(server.set("/f", rss(item(1))))
    odd: Sequence[Any] = (None, [], {"feeds": {}}, {"settings": "x", "feeds": {server.url + "/f": 5}})
    for state in odd:
        polls.state = state
        polls.poll()
        assert polls.reading.error is None


def test_many_feeds_are_asked_at_one_time(server: FeedServer) -> None:
    def slow(asked: Asked) -> Answer:
        return Answer(body=rss(item(int(asked.path[1:]))).encode(), drip=0.0005)

    urls = [server.url + f"/{number}" for number in range(20)]
    server.pages |= {f"/{number}": slow for number in range(20)}
    polls = source(*urls)
    assert len(polls.titles()) == 20
    assert polls.reading.error is None
