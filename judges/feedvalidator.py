"""Runs the W3C's feed validator, offline from a checkout of github.com/w3c/feedvalidator, over our sample feeds.

Usage: python judges/feedvalidator.py CHECKOUT [EXAMPLES]. The samples: the golden documents, and EXAMPLES (default 200)
lists of hostile articles that Hypothesis makes. Prints one JSON object; exit status 1 when there are errors or
warnings. The validator needs html5lib.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from feed_articles import clean_articles, everything, feed_settings  # noqa: E402 - the path stands above

from syndicate.core.feeds import WRITERS, FeedDocument  # noqa: E402 - the same
from syndicate.model import FeedFormat  # noqa: E402 - the same

# Standards that the validator has never heard of: it warns of their names, not of how we use them (F20, F24).
UNKNOWN_TO_IT = {
    "http://purl.org/atompub/tombstones/1.0": "RFC 6721",
    "http://source.scripting.com/": "source:markdown",
}
# What an article truly says, of which the validator thinks that nobody would say it.
OF_THE_CONTENT = {
    "ContainsHTML": "a text that talks about tags; escaped once (F5), as most readers want it",
    "ContainsUndeclaredHTML": "the same in Atom",
    "ImplausibleDate": "an article dated before 1990 or in the future; its own date stays (F3)",
    "DuplicateUpdated": "two articles of the same second; whole seconds (F3)",
    "BadCharacters": "a U+FFFD, or what looks like UTF-8 read as Latin-1, in the article's own text",
}
C1 = re.compile("[\x80-\x9f]")
XML = (FeedFormat.RSS, FeedFormat.ATOM)


class Judge:
    """The validator, and what it has said so far."""

    def __init__(self, checkout: Path) -> None:
        sys.path.insert(0, str(checkout / "src"))
        import feedvalidator
        from feedvalidator import compatibility

        self._validate, self._errors_and_warnings = feedvalidator.validateString, compatibility.AA
        self.documents = 0
        self.said: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.of_the_content: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def judge(self, data: bytes, address: str) -> None:
        """Validate one document."""
        self.documents += 1
        events = self._validate(data, firstOccurrenceOnly=1, base=address)["loggedEvents"]
        for event in self._errors_and_warnings(events):
            name, parameters = type(event).__name__, event.params
            if name == "UnknownNamespace" and parameters.get("namespace") in UNKNOWN_TO_IT:
                self.unknown[UNKNOWN_TO_IT[parameters["namespace"]]] += 1
                continue
            if name in OF_THE_CONTENT and not C1.search(data.decode()):
                self.of_the_content[f"{name}: {OF_THE_CONTENT[name]}"] += 1
                continue
            said = f"{name} in {parameters.get('parent')}/{parameters.get('element')}"
            self.said[said] += 1
            lines = data.decode().splitlines()
            line = parameters.get("line") or 1
            self.examples.setdefault(said, f"{address}: {lines[min(line, len(lines)) - 1].strip()[:300]}")


def main(checkout: Path, examples: int) -> int:
    """Judge all samples and print what was said."""
    judge = Judge(checkout)
    for path in sorted((ROOT / "tests" / "golden").glob("*/*.xml")):
        data = path.read_bytes()
        judge.judge(data, _own_address(data))
    _judge_hostile(judge, examples)
    report: dict[str, Any] = {
        "judge": "w3c/feedvalidator",
        "documents": judge.documents,
        "errors_and_warnings": dict(judge.said),
        "first_of_each": judge.examples,
        "warnings_of_what_articles_say": dict(judge.of_the_content),
        "namespaces_unknown_to_it": dict(judge.unknown),
    }
    print(json.dumps(report, indent=1, ensure_ascii=False))  # noqa: T201 - its report
    return 1 if judge.said else 0


def _judge_hostile(judge: Judge, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(clean_articles(), st.booleans())
    def run(found: list[Any], archive: bool) -> None:
        document = everything(feed_settings(), found)
        for form in XML:
            each = _archived(document) if archive else document
            judge.judge(WRITERS[form](each), each.address(form))

    run()


def _archived(document: FeedDocument) -> FeedDocument:
    return replace(
        document,
        archive=True,
        base=f"{document.base}/archive/2",
        current=document.base,
        prev_archive=f"{document.base}/archive/1",
    )


def _own_address(data: bytes) -> str:
    text = data.decode()
    before, _, _ = text.partition('rel="self"')
    return before.rpartition('href="')[2].partition('"')[0]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200))  # noqa: PLR2004 - the second argument
