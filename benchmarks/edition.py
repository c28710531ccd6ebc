"""What one edition costs, from articles to the finished message: rendering, premailer, text, pre-flight, MIME.

    .venv/bin/python benchmarks/edition.py [--rounds 30] [--profile]

Twelve articles with pictures and eight headlines. Milliseconds of CPU, and the ratio against premailer alone on the
same pages, which is the floor that is measured in the same run. ``editions`` is 200 editions against one.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from syndicate.config.sections import Digest, Site
from syndicate.core.message.digest_message import MessageHeaders, build_message
from syndicate.core.message.headers import Mailbox
from syndicate.core.preflight import Flight, prepare
from syndicate.core.render.edition import EditionInput, edition_context, edition_renderer, render_edition
from syndicate.core.render.inline import inline_styles
from syndicate.core.render.samples import SAMPLE_ARTICLES
from syndicate.core.render.templates import TemplateSet
from syndicate.io.templates import read_templates
from syndicate.model import Article
from syndicate.shipped import shipped

NONCE = "benchmark4567890abcdef"
SITE = Site(
    title="The Harbour Courier",
    url="https://courier.example",
    language="en-GB",
    timezone="Europe/London",
    postal_address="1 Quay Street, Harbourtown",
)
HEADERS = MessageHeaders(
    sender=Mailbox("The Harbour Courier", "news@courier.example"),
    date=datetime(2026, 11, 22, 7, 30, tzinfo=UTC),
    digest="morning",
    digest_title="Morning Courier",
    domain="courier.example",
    issue="daily/2026-11-22",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--profile", action="store_true", help="where the time goes, on standard error")
    options = parser.parse_args()
    templates = TemplateSet(read_templates([shipped("templates")]))
    found: dict[str, Any] = {}
    for look in ("magazine", "brief", "plain-letter"):
        made = issue(templates, look)
        page = rendered_page(templates, made)
        flight = fly(templates, made)
        whole = timed(lambda made=made: fly(templates, made), options.rounds)  # type: ignore[misc]
        floor = timed(lambda page=page: inline_styles(page, "page"), options.rounds)  # type: ignore[misc]
        found[look] = {
            "cpu_ms": whole,
            "premailer_ms": floor,
            "ratio": round(whole["median"] / floor["median"], 2),
            "html_bytes_as_sent": flight.size,
            "findings": [str(finding) for finding in flight.findings],
        }
    found["editions"] = {"1": many(templates, 1), "200": many(templates, 200)}
    if options.profile:
        profile(templates)
    json.dump(found, sys.stdout, indent=2)
    print()


def issue(templates: TemplateSet, look: str, first: int = 0) -> EditionInput:
    return EditionInput(
        site=SITE,
        digest_name="morning",
        digest=Digest(template=look),
        digest_title="Morning Courier",
        language="en-GB",
        date=date(2026, 11, 22),
        zone="Europe/London",
        articles=tuple(article(first + number) for number in range(12)),
        headlines=tuple(article(first + number) for number in range(12, 20)),
        words=templates.words("en-GB"),
    )


def article(number: int) -> Article:
    sample = SAMPLE_ARTICLES[0]
    content = replace(
        sample.content,
        title=f"Work on {number} metres of wall, and what the street had hoped for",
        url=f"https://courier.example/news/work-on-metres-of-wall-{number}",
        summary="Work on 310 metres of wall will start in March, two winters later than the street had hoped. " * 2,
        category=("news", "port", "sport")[number % 3],
        image=f"https://courier.example/media/{number}.png",
        html="<p>Work on 310 metres of wall will start in March.</p>" * 20,
    )
    return replace(sample, id=number + 1, content=content)


def fly(templates: TemplateSet, made: EditionInput) -> Flight:
    return prepare(
        made,
        lambda wanted: render_edition(templates, wanted, NONCE),
        lambda rendered: build_message(rendered, HEADERS),
    )


def rendered_page(templates: TemplateSet, made: EditionInput) -> str:
    render = edition_renderer(templates, made, edition_context(made, NONCE), NONCE)
    return render(f"digest/{made.digest.template}.html")


def timed(work: Callable[[], object], rounds: int) -> dict[str, float]:
    work()
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        taken.append((time.process_time() - start) * 1000)
    return {"best": round(min(taken), 1), "median": round(statistics.median(taken), 1)}


def many(templates: TemplateSet, count: int) -> dict[str, float]:
    start = time.process_time()
    for number in range(count):
        fly(templates, issue(templates, "magazine", first=number * 20))
    seconds = time.process_time() - start
    return {"cpu_s": round(seconds, 2), "ms_each": round(seconds / count * 1000, 1)}


def profile(templates: TemplateSet) -> None:
    made = issue(templates, "magazine")
    watch = cProfile.Profile()
    watch.enable()
    for _ in range(20):
        fly(templates, made)
    watch.disable()
    here = Path(__file__).parents[1].as_posix()
    sys.stdout, out = sys.stderr, sys.stdout
    pstats.Stats(watch).sort_stats("cumulative").print_stats(here, 30)
    sys.stdout = out


if __name__ == "__main__":
    main()
