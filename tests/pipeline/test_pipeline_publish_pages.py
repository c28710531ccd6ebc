"""Pages of archives: which ones a change touches (RFC 5005, section 4: N+1), and how large they get."""

from __future__ import annotations

import json
from typing import Any

from test_pipeline_publish import HOUR, Paper, paper  # type: ignore[import-not-found]  # noqa: F401 - a fixture

NAMES = ("rss.xml", "atom.xml", "feed.json")


def pages(paper: Paper) -> dict[int, tuple[bytes, ...]]:  # noqa: F811
    root = paper.settings.feeds_path / "all" / "archive"
    return {int(page.name): tuple((page / name).read_bytes() for name in NAMES) for page in root.iterdir()}


def keys(page: tuple[bytes, ...]) -> list[str]:
    return [item["id"].rpartition("/")[2] for item in json.loads(page[2])["items"]]


def differing(before: dict[int, Any], after: dict[int, Any]) -> set[int]:
    return {number for number in before if before[number] != after.get(number)}


def filled(paper: Paper, count: int, **given: Any) -> None:  # noqa: F811
    for number in range(count):
        paper.now += HOUR
        paper.put(f"story-{number}", published_at=paper.now, **given)


def test_what_is_new_touches_the_newest_page_only(paper: Paper) -> None:  # noqa: F811
    paper.settings = paper.configured(all={"max_items": 6, "archive": True})
    filled(paper, 30)
    paper.publish()
    before = pages(paper)
    last = max(before)
    filled(paper, 1, title="New", updated_at=None)  # story-0 again: an edit of the oldest page
    paper.publish()
    holding = {number for number, page in before.items() if "story-0" in keys(page)}
    assert differing(before, pages(paper)) == holding

    before = pages(paper)
    while max(pages(paper)) == last:  # until page N+1 is cut: N gets its link to it, and no other page changes a byte
        paper.now += HOUR
        paper.put(f"fresh-{paper.now.isoformat()}", published_at=paper.now)
        paper.publish()
        assert differing(before, pages(paper)) <= {last}
    after = pages(paper)
    assert differing(before, after) == {last}
    assert sorted(after) == list(range(1, last + 2))
    assert b"/all/archive/%d/rss.xml" % (last + 1) in after[last][0]
    assert keys(after[last]) == keys(before[last])


def test_an_edit_and_a_withdrawal_touch_the_page_that_holds_the_article(paper: Paper) -> None:  # noqa: F811
    paper.settings = paper.configured(all={"max_items": 6, "archive": True})
    filled(paper, 30)
    paper.publish()
    held = {number for number, page in pages(paper).items() if "story-7" in keys(page)}
    assert len(held) == 1
    for change in ("edit", "withdraw", "return", "another category"):
        before = pages(paper)
        paper.now += HOUR
        if change == "withdraw":
            paper.withdraw("story-7")
        else:
            paper.put("story-7", title=change, category=change, published_at=paper.now)
        paper.publish()
        after = pages(paper)
        assert differing(before, after) == held, change
        assert ("story-7" in keys(after[min(held)])) == (change != "withdraw")


def test_a_page_of_large_articles_is_cut_by_its_size(paper: Paper) -> None:  # noqa: F811
    limit = 60_000
    paper.settings = paper.configured(all={"max_items": 20, "archive": True, "max_size": limit})
    filled(paper, 60, html=f"<p>{'tide ' * 3000}</p>")  # three of them fill a page
    paper.put("flood", html=f"<p>{'x' * 300_000}</p>", summary="It rose.", published_at=paper.now - 100 * HOUR)
    paper.publish()
    found = pages(paper)
    assert all(len(data) <= limit * 1.1 for page in found.values() for data in page)
    assert {len(keys(page)) for number, page in found.items() if number > 1} == {3}
    held = [key for page in found.values() for key in keys(page)]
    assert len(held) == len(set(held))
    window = json.loads((paper.settings.feeds_path / "all/feed.json").read_text())["items"]
    assert len({item["id"].rpartition("/")[2] for item in window} | set(held)) == 62

    # An article on a page grows beyond it: all of the page's articles stay, the largest ones as summaries.
    grown = keys(found[5])
    for key in grown:
        paper.put(key, html=f"<p>{'tide ' * 9000}</p>", summary="More of it.", published_at=paper.now)
    paper.publish()
    after = pages(paper)
    assert keys(after[5]) == grown
    assert all(len(data) <= limit * 1.1 for data in after[5])
