"""Feeds as they are met in the wild: formats, encodings, dates, identity, hostile documents."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicate.config.sections import Site
from syndicate.config.sources import FeedSource
from syndicate.core.article.normalise import ArticleDefaults, normalise
from syndicate.core.feed_reading import (
    FeedItems,
    Ours,
    ReadEntry,
    ReadFeed,
    address_key,
    entry_key,
    items_of,
    read_feed,
)
from syndicate.core.feed_reading.asking import FeedMemory, answered, failed, max_age, retry_after
from syndicate.core.feed_reading.decoding import decode
from syndicate.core.feed_reading.values import author, date
from syndicate.errors import SourceError
from syndicate.model import ArticleContent, Attachment

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
ADDRESS = "https://port.example/feeds/news.xml"
SOURCE = FeedSource(type="feed", url=ADDRESS)
DEFAULTS = ArticleDefaults.of(Site(title="The Harbour Courier", url="https://courier.example"), SOURCE)


def read(document: str | bytes, **given_: str) -> ReadFeed:
    data = document.encode() if isinstance(document, str) else document
    return read_feed(data, address=ADDRESS, now=NOW, **given_)  # type: ignore[arg-type]


def rss(items: str, channel: str = "", attributes: str = "") -> str:
    return f'<rss version="2.0" {attributes}><channel><title>Port</title>{channel}{items}</channel></rss>'


def atom(entries: str, feed: str = "", attributes: str = "") -> str:
    return f'<feed xmlns="http://www.w3.org/2005/Atom" {attributes}><title>Port</title>{feed}{entries}</feed>'


def only(document: str | bytes, **given_: str) -> ReadEntry:
    (entry,) = read(document, **given_).entries
    return entry


def taken(document: str | bytes, ours: Ours | None = None) -> tuple[list[ArticleContent], FeedItems]:
    found = items_of(read(document), SOURCE, ours or Ours())
    return [normalise(item, DEFAULTS) for item in found.items], found


RDF = """<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:sy="http://purl.org/rss/1.0/modules/syndication/">
 <channel rdf:about="https://port.example/"><title>Port</title><link>https://port.example/</link>
 <sy:updatePeriod>daily</sy:updatePeriod><sy:updateFrequency>2</sy:updateFrequency></channel>
 <item rdf:about="https://port.example/1"><title>One</title><link>https://port.example/1</link>
 <dc:creator>Ada Quay</dc:creator><dc:date>2026-11-21T08:00+01:00</dc:date><dc:subject>Port</dc:subject>
 <description>Short</description><content:encoded><![CDATA[<p>Long</p>]]></content:encoded></item></rdf:RDF>"""
ATOM_03 = """<feed version="0.3" xmlns="http://purl.org/atom/ns#" xml:lang="en"><title>Port</title>
 <link rel="alternate" type="text/html" href="https://port.example/"/>
 <entry><title mode="escaped" type="text/html">A &amp;amp; B</title><id>tag:port.example,2004:1</id>
 <link rel="alternate" type="text/html" href="/1"/><issued>2004-05-06T07:08:09Z</issued>
 <modified>2004-05-07T07:08:09Z</modified><author><name>Ada Quay</name></author>
 <content type="text/html" mode="escaped">&lt;p&gt;Long&lt;/p&gt;</content></entry></feed>"""


def test_rss_1_0() -> None:
    feed = read(RDF)
    assert (feed.form, feed.title, feed.home, feed.ttl) == ("rss", "Port", "https://port.example/", timedelta(hours=12))
    (entry,) = feed.entries
    assert (entry.id, entry.title, entry.link) == ("https://port.example/1", "One", "https://port.example/1")
    assert (entry.body, entry.summary, entry.authors) == ("<p>Long</p>", "Short", ("Ada Quay",))
    assert (entry.published, entry.categories) == (datetime(2026, 11, 21, 7, tzinfo=UTC), ("Port",))


def test_atom_0_3() -> None:
    entry = only(ATOM_03)
    assert (entry.title, entry.link, entry.body, entry.form) == (
        "A & B",
        "https://port.example/1",
        "<p>Long</p>",
        "html",
    )
    assert entry.published == datetime(2004, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert entry.updated == datetime(2004, 5, 7, 7, 8, 9, tzinfo=UTC)


def test_rss_0_91_with_its_document_type() -> None:
    kind = '<?xml version="1.0"?>\n<!-- x --><!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://my.netscape.com/publish/formats/rss-0.91.dtd">'
    document = (
        kind
        + '<rss version="0.91"><channel><title>Port</title><item><title>Caf&eacute;</title><link>https://port.example/1</link></item></channel></rss>'
    )
    assert only(document).title == "Café"


def test_names_of_html_that_a_document_declares_itself_are_no_bomb() -> None:
    document = '<!DOCTYPE rss [<!ENTITY nbsp "&#160;"> <!ENTITY copy "&#xA9;">]>' + rss(
        "<item><title>A&nbsp;&copy;</title></item>"
    )
    assert only(document).title == "A\xa0©"


def test_json_feed_1_and_1_1() -> None:
    one = '{"version":"https://jsonfeed.org/version/1","title":"Port","author":{"name":"Ada"},"items":[{"id":7,"content_text":"Hello <b>","external_url":"/a b"}]}'
    entry = only(one)
    assert (entry.id, entry.body, entry.form, entry.authors) == ("7", "Hello <b>", "text", ("Ada",))
    assert entry.link == "https://port.example/a%20b"
    two = '{"version":"https://jsonfeed.org/version/1.1","expired":true,"hubs":[{"type":"WebSub","url":"https://hub.example"}],"items":[{"id":"x","authors":[{"name":"A"},{"name":"B"},5],"tags":["t",5,"T"],"attachments":[{"url":"a.mp3","mime_type":"audio/mpeg","size_in_bytes":12}]},5]}'
    feed = read(two)
    assert (feed.ended, feed.hubs) == (True, ("https://hub.example",))
    assert feed.entries[0].authors == ("A", "B")
    assert feed.entries[0].categories == ("t",)
    url = "https://port.example/feeds/a.mp3"
    assert feed.entries[0].attachments == (Attachment(url=url, type="audio/mpeg", length=12),)


@pytest.mark.parametrize(
    ("title", "plain"),
    [
        ('<title>AT&amp;T &lt;em>vs&lt;/em> "R&amp;D"</title>', 'AT&T <em>vs</em> "R&D"'),
        ("<title>How to write &amp;amp; in HTML</title>", "How to write &amp; in HTML"),
        ("<title><![CDATA[1 < 2 & 3 > 2]]></title>", "1 < 2 & 3 > 2"),
        ("<title>\n  Two\n  lines </title>", "Two lines"),
        ("<title>A\u202eB\u0085\u0092s</title>", "AB…\u2019s"),
        ("<title>Now <b>bold</b></title>", "Now bold"),
    ],
)
def test_a_title_of_rss_is_text_escaped_once(title: str, plain: str) -> None:
    assert only(rss(f"<item>{title}</item>")).title == plain


@pytest.mark.parametrize(
    ("title", "plain"),
    [
        ("<title>A &amp;amp; &lt;b></title>", "A &amp; <b>"),
        ('<title type="html">A &amp;amp; &lt;b>B&lt;/b></title>', "A & B"),
        ('<title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">A &amp; <b>B</b></div></title>', "A & B"),
    ],
)
def test_a_title_of_atom_is_what_its_type_says(title: str, plain: str) -> None:
    assert only(atom(f"<entry>{title}</entry>")).title == plain


def test_an_entry_without_title_gets_one_from_its_text() -> None:
    (article, nameless), _ = taken(
        rss(
            "<item><description>&lt;p>Fog on the quay. All ferries wait.&lt;/p></description><guid>a</guid></item><item><link>https://port.example/x</link><description>&lt;img src=a.png></description></item>"
        )
    )
    assert article.title == "Fog on the quay. All ferries wait."
    assert nameless.title == "port.example/x"


def test_relative_addresses() -> None:
    entry = '<entry xml:base="2026/"><id>a</id><link href="../x y"/><content type="xhtml" xml:base="b/"><div xmlns="http://www.w3.org/1999/xhtml"><img src="p.png"/><br/></div></content></entry>'
    (article,), _ = taken(atom(entry, attributes='xml:base="/de/"'))
    assert article.url == "https://port.example/de/x%20y"
    assert article.html == '<img src="https://port.example/de/2026/b/p.png"><br>'
    plain = "<item><link>https://port.example/2026/a</link><description>&lt;a href='b'>x&lt;/a></description></item>"
    assert "https://port.example/2026/b" in taken(rss(plain))[0][0].html
    nowhere = "<item><guid>a</guid><title>t</title><description>&lt;a href='b'>x&lt;/a></description></item>"
    assert "https://port.example/news/b" in taken(rss(nowhere, "<link>https://port.example/news/</link>"))[0][0].html


def test_addresses_with_spaces_and_umlauts() -> None:
    entry = only(rss("<item><link> https://käse.example/a b/ü?q=ä </link></item>"))
    assert entry.link == "https://xn--kse-qla.example/a%20b/%C3%BC?q=%C3%A4"
    assert only(rss("<item><link>javascript:alert(1)</link><guid>x</guid></item>")).link is None


def test_pictures_attachments_and_comments() -> None:
    spaces = 'xmlns:media="http://search.yahoo.com/mrss/" xmlns:slash="http://purl.org/rss/1.0/modules/slash/" xmlns:wfw="http://wellformedweb.org/CommentAPI/"'
    item = """<item><title>a</title><guid>a</guid><media:content url="/p.png" medium="image"><media:description>A quay</media:description></media:content>
    <enclosure url="/a.mp3" type="audio/mpeg" length="x"/><comments>/c</comments><slash:comments>3</slash:comments><wfw:commentRss>/c.rss</wfw:commentRss></item>"""
    entry = only(rss(item, attributes=spaces))
    assert (entry.image, entry.image_alt) == ("https://port.example/p.png", "A quay")
    assert entry.attachments == (Attachment(url="https://port.example/a.mp3", type="audio/mpeg"),)
    assert (entry.comments, entry.comments_url, entry.comments_feed) == (
        3,
        "https://port.example/c",
        "https://port.example/c.rss",
    )
    (article,), _ = taken(rss(item, attributes=spaces))
    assert (article.attachments, article.comments) == (entry.attachments, 3)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("ada@port.example (Ada Quay)", "Ada Quay"),
        ("Ada Quay <ada@port.example>", "Ada Quay"),
        ("ada@port.example", ""),
        ("@ada", "@ada"),
        ("R & D <desk>", "R & D <desk>"),
        ("Ada at 5 @ the quay", "Ada at 5 @ the quay"),
    ],
)
def test_no_mail_address_becomes_an_author(written: str, name: str) -> None:
    assert author(written) == name


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Sat, 21 Nov 2026 08:00:00 GMT", datetime(2026, 11, 21, 8, tzinfo=UTC)),
        ("Sat, 21 Nov 26 08:00 EST", datetime(2026, 11, 21, 13, tzinfo=UTC)),
        ("21 Nov 2026 08:00:00 +0100", datetime(2026, 11, 21, 7, tzinfo=UTC)),
        ("Sat, 21 Nov 2026 08:00:00 -0000", datetime(2026, 11, 21, 8, tzinfo=UTC)),
        ("2026-11-21T08:00:00.123Z", datetime(2026, 11, 21, 8, tzinfo=UTC)),
        ("2026-11-21 8:00:60 +0100", datetime(2026, 11, 21, 7, 0, 59, tzinfo=UTC)),
        ("2026-11", datetime(2026, 11, 1)),  # noqa: DTZ001 - a date without a zone is the case
        ("2026-11-23T08:00:00Z", datetime(2026, 11, 23, 8, tzinfo=UTC)),
        ("2026-11-25T08:00:00Z", None),
        ("0001-01-01T00:00:00Z", None),
        ("Mon, 01 Jan 0001 00:00:00 +0000", None),
        ("Mon, 01 Jan 01 01:00:00 +0100", datetime(2001, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", None),
        ("0000-00-00 00:00:00", None),
        ("2026-13-41", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_dates(written: str, expected: datetime | None) -> None:
    found = date(written, NOW)
    assert found == expected
    assert (found is None or found.tzinfo is None) == (expected is None or expected.tzinfo is None)


@given(
    st.text(max_size=60) | st.from_regex(r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{1,4} \d\d:\d\d(:\d\d)? [+-]\d{4}")
)
def test_no_date_is_an_error(written: str) -> None:
    found = date(written, NOW)
    assert found is None or 1900 <= found.year <= 2026


def test_languages() -> None:
    assert read(rss("", "<language>en_gb</language>")).language == "en-GB"
    assert read(rss("", "<language>english, of course</language>")).language is None
    entries = (
        '<entry xml:lang="DE"/><entry><title xml:lang="fr">x</title></entry><entry xml:lang="klingon-of-all-things"/>'
    )
    assert [entry.language for entry in read(atom(entries, attributes='xml:lang="en"')).entries] == ["de", None, None]


TITLES = "Käse für 5 €"


@pytest.mark.parametrize("declared", ["", "utf-8", "iso-8859-1", "us-ascii", "utf-16", "nonsense", "utf-7"])
@pytest.mark.parametrize(
    "header", ["", "application/xml; charset=utf-8", "text/xml; charset=ISO-8859-1", "text/xml; charset=bogus"]
)
def test_utf_8_is_seen_whatever_is_declared(declared: str, header: str) -> None:
    declaration = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    assert (
        only((declaration + rss(f"<item><title>{TITLES}</title></item>")).encode(), content_type=header).title == TITLES
    )


@pytest.mark.parametrize(
    ("encoding", "declared", "header"),
    [
        ("cp1252", "windows-1252", ""),
        ("cp1252", "iso-8859-1", ""),
        ("cp1252", "utf-8", "application/xml; charset=utf-8"),
        ("cp1252", "", ""),
        ("iso8859-15", "utf-8", "text/xml; charset=iso-8859-15"),
        ("utf-16", "utf-16", ""),
        ("utf-16-le", "utf-16", ""),
        ("utf-16-be", "", ""),
        ("utf-32", "", ""),
        ("utf-8-sig", "iso-8859-1", ""),
    ],
)
def test_other_encodings(encoding: str, declared: str, header: str) -> None:
    declaration = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    data = (declaration + rss(f"<item><title>{TITLES}</title></item>")).encode(encoding)
    assert only(data, content_type=header).title == TITLES


def test_a_broken_byte_among_many_good_ones_is_one_broken_byte() -> None:
    text = rss(f"<item><title>{TITLES}</title><description>Möwen</description></item>").encode()
    assert only(text.replace("ö".encode(), b"\xff")).title == TITLES


@given(st.binary(max_size=300), st.sampled_from(["", "text/xml; charset=utf-7", "a; charset=idna", "a; charset=rot13"]))
def test_any_bytes_decode(data: bytes, header: str) -> None:
    assert isinstance(decode(data, header), str)


@given(
    st.binary(max_size=300) | st.text(alphabet="<>&;[]!?/\"'= abrsitemDOCTYPEfdNIL-#x0", max_size=200).map(str.encode)
)
def test_any_bytes_are_a_feed_or_a_source_error(data: bytes) -> None:
    for document in (
        data,
        b"<rss><channel><item>" + data + b"</item></channel></rss>",
        b'{"version":"jsonfeed.org/version/1","items":[' + data + b"]}",
    ):
        with suppress(SourceError):
            items_of(read(document), SOURCE, Ours())


@pytest.mark.parametrize(
    "piece", ["<![CDATA[", "<!--", "&", "&#", "<item>", "<a:b ", "<!DOCTYPE rss [", "<?x ", '<x y="', "</item>"]
)
def test_no_document_takes_long(piece: str) -> None:
    document = ("<rss><channel><item>" + piece * 200_000 + "</channel></rss>").encode()
    began = time.process_time()
    with suppress(SourceError):
        read(document)
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://port.example/a", "https://port.example/a"),
        ("https://PORT.example:443/a", "https://port.example/a"),
        ("https://port.example", "https://port.example/"),
        ("https://port.example/a?utm_source=rss&b=1", "https://port.example/a?b=1"),
        ("https://port.example/a?fbclid=x#", "https://port.example/a"),
        ("https://port.example/a#xtor=RSS-1", "https://port.example/a"),
        ("urn:uuid:ABCD", "URN:UUID:abcd"),
        (" tag:port.example,2026:A ", "TAG:port.example,2026:A"),
    ],
)
def test_ids_that_are_the_same(one: str, other: str) -> None:
    assert entry_key(ReadEntry(id=one), ADDRESS) == entry_key(ReadEntry(id=other), ADDRESS)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://port.example/a", "https://port.example/A"),
        ("https://port.example/?p=1", "https://port.example/?p=2"),
        ("https://port.example/a#one", "https://port.example/a#two"),
        ("tag:port.example,2026:a", "tag:port.example,2026:A"),
        ("1", "2"),
    ],
)
def test_ids_that_are_not(one: str, other: str) -> None:
    assert entry_key(ReadEntry(id=one), ADDRESS) != entry_key(ReadEntry(id=other), ADDRESS)


def test_what_stands_for_a_missing_id() -> None:
    assert entry_key(ReadEntry(link="http://www.port.example/a?utm_medium=x"), ADDRESS) == "www.port.example/a"
    hashed = entry_key(ReadEntry(title="A", published=NOW), ADDRESS)
    assert hashed == entry_key(ReadEntry(title="A", published=NOW, body="edited"), ADDRESS)
    assert hashed != entry_key(ReadEntry(title="A", published=NOW + timedelta(1)), ADDRESS)
    assert entry_key(ReadEntry(title="A", body="x"), ADDRESS) != entry_key(ReadEntry(title="A", body="y"), ADDRESS)
    assert entry_key(ReadEntry(), ADDRESS) is None


def test_an_id_that_is_no_uri_is_the_feeds_own() -> None:
    assert entry_key(ReadEntry(id="17"), "https://www.port.example/a") == "port.example#17"
    assert entry_key(ReadEntry(id="17"), "https://other.example/a") == "other.example#17"


@given(st.text(max_size=600), st.sampled_from(["", "https://", "http://", "tag:", "urn:uuid:", "x"]))
def test_any_id_makes_a_usable_key(text: str, start: str) -> None:
    key = entry_key(ReadEntry(id=start + text, title="A"), ADDRESS)
    assert key is not None
    assert len(key) <= 441
    assert not key.startswith(("http://", "https://"))
    key.encode()


@given(
    st.from_regex(r"https?://[a-z]{1,8}\.example/[a-z0-9/]{0,20}(\?[a-z]=[0-9](&utm_[a-z]{1,5}=x)?)?", fullmatch=True)
)
def test_the_key_of_an_address_is_stable(url: str) -> None:
    key = address_key(url)
    assert key is not None
    assert address_key(f"https://{key}") == address_key(f"http://{key}") == key


def test_odd_fields_cost_no_article() -> None:
    names = "".join(f"<category>{number} {'c' * 300}</category>" for number in range(10_000))
    (article,), found = taken(
        rss(f"<item><title>{'t' * 5000}</title><guid>{'g' * 5000}</guid><author>{'a' * 400}</author>{names}</item>")
    )
    assert found.problems == ()
    assert len(article.title) <= 1000
    assert len(article.tags) == 99
    assert all(len(tag) <= 200 for tag in article.tags)


def test_the_house_of_another_site_is_named_and_our_own_is_not() -> None:
    document = rss("<item><title>a</title></item>", "<link>https://port.example/</link>")
    assert taken(document)[0][0].publisher == "Port"
    assert taken(document, Ours(site_host="port.example"))[0][0].publisher == "The Harbour Courier"


def test_a_publishers_own_tags_are_not_taken_for_ours() -> None:
    ours = Ours(authority="courier.example", sources=("stories",))
    assert ours.is_id("tag:courier.example,2026-11-20:stories/a")
    assert not ours.is_id("tag:courier.example,2005:Post/1")
    assert not ours.is_id("tag:courier.example,2026-11-20:blog/a")
    assert Ours(authority="courier.example,2026", sources=("s",)).is_id("tag:courier.example,2026:s/a")


@given(
    interval=st.timedeltas(timedelta(minutes=1), timedelta(days=3)),
    ttl=st.integers(0, 10**9),
    age=st.integers(0, 10**9),
    failures=st.integers(0, 100),
)
def test_never_asked_sooner_than_configured_nor_much_later_than_a_day(
    interval: timedelta, ttl: int, age: int, failures: int
) -> None:
    memory = answered(
        FeedMemory(ttl=ttl), {"cache-control": f"max-age={age}"}, interval=interval, moved_to=None, now=NOW
    )
    assert not memory.is_due(NOW + interval * 0.89 - timedelta(minutes=1), insist=False)
    assert memory.is_due(NOW + max(interval, timedelta(days=1)), insist=False)
    broken = failed(FeedMemory(failures=failures), "x", interval=interval, now=NOW)
    assert broken.is_due(NOW + max(interval, timedelta(days=1)), insist=False)
    assert FeedMemory.of(memory.kept()) == memory
    assert FeedMemory.of(broken.kept()) == broken


def test_what_servers_ask_for() -> None:
    assert max_age("public, Max-Age=60") == timedelta(minutes=1)
    assert max_age("s-maxage=60, no-cache") == timedelta()
    assert max_age("max-age=60, no-store") == timedelta()
    assert retry_after("120", NOW) == timedelta(minutes=2)
    assert retry_after("99999999999", NOW) == timedelta(days=7)
    assert retry_after("Sun, 22 Nov 2026 09:00:00 GMT", NOW) == timedelta(hours=1)
    assert retry_after("Sun, 22 Nov 2020 09:00:00 GMT", NOW) is None
    assert retry_after("soon", NOW) is None
