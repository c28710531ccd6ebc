"""Independent feed readers as functions: a document in, what the reader says of each entry out, in one shape.

``READERS`` maps a name to the function; those that are programs must be installed (see ``PROGRAMS``).
"""

from __future__ import annotations

import calendar
import email.policy
import functools
import re
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from datetime import datetime
from email import message_from_bytes
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fastfeedparser
import feedparser

Seen = dict[str, Any]
Reader = Callable[[bytes, Path], dict[str, Seen]]


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)


def words(html: str) -> str:
    """The text of a body: what a reader shows, whatever mark-up it puts around it."""
    parser = _Words()
    parser.feed(html)
    parser.close()
    return " ".join("".join(parser.found).split())


def _seconds(parsed: Any) -> int:
    return calendar.timegm(parsed)


def read_with_feedparser(data: bytes, folder: Path) -> dict[str, Seen]:
    read = feedparser.parse(data)
    assert not read.bozo, read.get("bozo_exception")
    found = {}
    for entry in read.entries:
        bodies = entry.get("content") or [{"value": entry.get("summary", "")}]
        found[entry.id] = {
            "title": entry.title,
            "link": entry.get("link"),
            "published": _seconds(entry.published_parsed),
            "updated": _seconds(dict.get(entry, "updated_parsed")) if dict.get(entry, "updated_parsed") else None,
            "authors": [author.get("name") for author in entry.get("authors", []) if author],
            "tags": [tag.term for tag in entry.get("tags", [])],
            "body": words(bodies[0]["value"]),
            "files": [(link.href, link.get("type")) for link in entry.get("enclosures", [])],
        }
    return found


def read_with_fastfeedparser(data: bytes, folder: Path) -> dict[str, Seen]:
    """Of the readers here the one that knows JSON Feed."""
    found = {}
    for entry in fastfeedparser.parse(data.decode()).entries:
        files = [(link["href"], link.get("type")) for link in entry.get("enclosures") or [] if "href" in link]
        files += [(file["url"], file.get("type")) for file in entry.get("enclosures") or [] if "url" in file]
        found[entry.id] = {
            "title": entry.title,
            "link": entry.get("link"),
            "published": _moment(entry.get("published")),
            "updated": _moment(entry.get("updated")),
            "authors": [author["name"] for author in entry.get("authors") or []],
            "tags": [tag["term"] for tag in entry.get("tags") or []],
            "body": words(entry["content"][0]["value"]),
            "files": files,
        }
    return found


def _moment(written: str | None) -> int | None:
    return None if written is None else int(datetime.fromisoformat(written).timestamp())


def read_with_newsboat(data: bytes, folder: Path) -> dict[str, Seen]:
    (folder / "feed.xml").write_bytes(data)
    (folder / "urls").write_text(f"file://{folder}/feed.xml\n")
    cache = folder / "cache.db"
    _run("newsboat", "-u", folder / "urls", "-c", cache, "-C", "/dev/null", "-x", "reload")
    with sqlite3.connect(cache) as database:
        rows = database.execute("select guid, title, url, pubDate, author, content, enclosure_url from rss_item")
        found = {
            guid: {
                "title": title,
                "link": url,
                "published": published,
                "authors": author,
                "body": words(content),
                "files": enclosure,
            }
            for guid, title, url, published, author, content, enclosure in rows
        }
    database.close()
    return found


def read_with_sfeed(data: bytes, folder: Path) -> dict[str, Seen]:
    found = {}
    for line in _run("sfeed", stdin=data).splitlines():
        time, title, link, content, kind, id_, author, file, tags = line.split("\t")
        found[id_] = {
            "title": title,
            "link": link,
            "published": int(time),
            "authors": author,
            "tags": tags,
            "body": words(content.replace("\\n", "\n")) if kind == "html" else content,
            "files": file,
        }
    return found


def read_with_xml_feed(data: bytes, folder: Path) -> dict[str, Seen]:
    """Perl's XML::Feed, of which several aggregators are made."""
    (folder / "feed.xml").write_bytes(data)
    script = (
        "use XML::Feed; $XML::Atom::ForceUnicode = 1; my $feed = XML::Feed->parse(shift) or die XML::Feed->errstr; binmode STDOUT, ':utf8';"
        'for my $e ($feed->entries) { my $a = $e->author; $a = join("; ", @$a) if ref $a; my $b = $e->content->body;'
        "$b = $e->summary->body unless defined $b; $b =~ s/\\s+/ /g if defined $b;"
        'print join("\\t", map { defined $_ ? $_ : "" } $e->id, $e->title, $e->link, $e->issued->epoch, $a,'
        'join(",", $e->category), $b), "\\n"; }'
    )
    found = {}
    for line in _run("perl", "-e", script, folder / "feed.xml").splitlines():
        id_, title, link, time, author, tags, body = line.split("\t")
        found[id_] = {
            "title": title,
            "link": link,
            "published": int(time),
            "authors": author,
            "tags": tags,
            "body": words(body),
        }
    return found


def read_with_rss2email(data: bytes, folder: Path) -> dict[str, Seen]:
    """Fetches by HTTP from this process and writes mails into a Maildir."""
    (folder / "feed.xml").write_bytes(data)
    (folder / "mail" / "INBOX" / "new").mkdir(parents=True)
    for name in ("cur", "tmp"):
        (folder / "mail" / "INBOX" / name).mkdir()
    (folder / "r2e.cfg").write_text(
        f"[DEFAULT]\nto = reader@example.org\nfrom = feeds@example.org\nemail-protocol = maildir\n"
        f"maildir-path = {folder}/mail\nhtml-mail = True\ndate-header = True\ndate-header-order = issued, modified\nname-format = {{author}}\n"
        "force-from = False\nuse-publisher-email = False\n"
    )
    r2e = ("r2e", "-c", folder / "r2e.cfg", "-d", folder / "r2e.json")
    handler = functools.partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        _run(*r2e, "add", "paper", f"http://127.0.0.1:{server.server_port}/feed.xml")
        _run(*r2e, "run")
        server.shutdown()
        thread.join()
    found = {}
    for path in (folder / "mail" / "INBOX" / "new").iterdir():
        mail = message_from_bytes(path.read_bytes(), policy=email.policy.default)
        body = mail.get_content()
        found[str(mail["X-RSS-ID"])] = {
            "title": str(mail["Subject"]),
            "link": str(mail["X-RSS-URL"]),
            "published": int(mail["Date"].datetime.timestamp()),
            "authors": mail["From"].addresses[0].display_name,
            "tags": str(mail["X-RSS-TAGS"]),
            "body": words(re.sub(r"(?s).*<div id=\"body\">|<div class=\"footer\">.*", "", body)),
        }
    return found


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def _run(*command: str | Path, stdin: bytes = b"") -> str:
    done = subprocess.run([str(part) for part in command], input=stdin, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.decode()


READERS: dict[str, Reader] = {
    "feedparser": read_with_feedparser,
    "fastfeedparser": read_with_fastfeedparser,
    "newsboat": read_with_newsboat,
    "rss2email": read_with_rss2email,
    "sfeed": read_with_sfeed,
    "XML::Feed": read_with_xml_feed,
}
JSON_READERS = frozenset({"fastfeedparser"})
# Reader: how to see that it is there, and the Debian package that brings it.
PROGRAMS = {
    "newsboat": (("newsboat", "-v"), "newsboat"),
    "rss2email": (("r2e", "--version"), "rss2email"),
    "sfeed": (("sfeed",), "sfeed"),
    "XML::Feed": (("perl", "-MXML::Feed", "-e", "1"), "libxml-feed-perl"),
}
