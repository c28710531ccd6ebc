"""The script of ``examples/deploy`` that fills a bucket, run with a bucket that is a folder: the network is not ours."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from feed_site import FeedSite

from syndicate.shipped import shipped

TYPES = {
    "feeds/all/rss.xml": "application/rss+xml; charset=utf-8",
    "feeds/all/atom.xml": "application/atom+xml; charset=utf-8",
    "feeds/all/feed.json": "application/feed+json",
    "feeds/all/category/port/rss.xml": "application/rss+xml; charset=utf-8",
    "feeds/all/archive/1/atom.xml": "application/atom+xml; charset=utf-8",
    "feeds.opml": "text/x-opml; charset=utf-8",
}
# ``aws s3 sync``, as far as the script uses it: filters in order, the last that matches decides.
AWS = """
import fnmatch, json, pathlib, shutil, sys
source, target, options = pathlib.Path(sys.argv[3]), pathlib.Path(__file__).parent / "bucket", sys.argv[5:]
assert sys.argv[1:3] == ["s3", "sync"] and sys.argv[4] == "s3://news-courier-example", sys.argv
filters, about, removes, at = [], {}, False, 0
while at < len(options):
    if options[at] in ("--delete", "--size-only"):
        removes, at = removes or options[at] == "--delete", at + 1
        continue
    if options[at] in ("--include", "--exclude"):
        filters.append((options[at] == "--include", options[at + 1]))
    else:
        about[options[at]] = options[at + 1]
    at += 2
def wanted(name):
    found = True
    for includes, pattern in filters:
        found = includes if fnmatch.fnmatchcase(name, pattern) else found
    return found
def names(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
target.mkdir(exist_ok=True)
seen = json.loads((target.parent / "about.json").read_text()) if (target.parent / "about.json").exists() else {}
for name in sorted(filter(wanted, names(source))):
    there = target / name
    if there.exists() and (there.stat().st_size == (source / name).stat().st_size or not about):
        continue
    there.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source / name, there)
    seen[name] = about
for name in filter(wanted, names(target)) if removes else ():
    if not (source / name).exists():
        (target / name).unlink()
        del seen[name]
(target.parent / "about.json").write_text(json.dumps(seen))
"""


@pytest.fixture
def site(tmp_path: Path) -> FeedSite:
    site = FeedSite(tmp_path)
    for key in TYPES:
        site.write(key.removeprefix("feeds/"), f"<document>{key}</document>" * 30)
    (site.folder / "all/.rss.xml.new.gz").write_text("half")
    return site


def upload(site: FeedSite, tmp_path: Path) -> dict[str, dict[str, str]]:
    """Run the script as it stands in the README; what the bucket then knows of each object."""
    readme = (shipped("examples") / "deploy" / "README.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```sh\n(#!/bin/sh\n.*?)```", readme, re.DOTALL)
    (tmp_path / "aws.py").write_text(AWS)
    command = tmp_path / "aws"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} "{tmp_path}/aws.py" "$@"\n')
    command.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run(["sh", "-c", script], cwd=site.folder.parent, env={**os.environ, "PATH": path}, check=True)
    found: dict[str, dict[str, str]] = json.loads((tmp_path / "about.json").read_text())
    return found


def test_a_bucket_holds_what_is_published_with_its_type_and_encoding(site: FeedSite, tmp_path: Path) -> None:
    assert site.folder.name == "feeds"
    found = upload(site, tmp_path)
    assert {key: about["--content-type"] for key, about in found.items()} == TYPES
    assert {about["--content-encoding"] for about in found.values()} == {"gzip"}
    assert {about["--cache-control"] for about in found.values()} == {"public, max-age=1800"}
    for key in TYPES:
        body = gzip.decompress((tmp_path / "bucket" / key).read_bytes()).decode()
        assert body == f"<document>{key}</document>" * 30


def test_what_ended_is_taken_out_of_the_bucket_and_what_changed_replaced(site: FeedSite, tmp_path: Path) -> None:
    upload(site, tmp_path)
    site.write("all/rss.xml", "<document>another</document>")
    for twin in (site.folder / "all/category/port").iterdir():
        twin.unlink()
    found = upload(site, tmp_path)
    assert set(found) == set(TYPES) - {"feeds/all/category/port/rss.xml"}
    assert gzip.decompress((tmp_path / "bucket/feeds/all/rss.xml").read_bytes()) == b"<document>another</document>"
    assert not (tmp_path / "bucket/feeds/all/category/port/rss.xml").exists()
