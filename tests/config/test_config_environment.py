from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from configurations import Inspect
from hypothesis import given
from hypothesis import strategies as st

from syndicate.config.environment import lay_over, value_of
from syndicate.config.load import inspect_settings
from syndicate.config.sources import DatabaseSource, FolderSource
from syndicate.model import Frequency


def test_the_environment_wins_over_the_file(inspect: Inspect, good: str) -> None:
    settings, problems = inspect(
        good,
        {
            "SYNDICATE_SITE__TITLE": "Another Courier",
            "SYNDICATE_SITE__LANGUAGE": "de",
            "SYNDICATE_SOURCE__STORIES__POLL_INTERVAL": "1h",
            "SYNDICATE_DIGEST__MORNING__FREQUENCIES": '["weekly", "instant"]',
            "SYNDICATE_DIGEST__MORNING__MAX_ITEMS": "7",
            "SYNDICATE_DIGEST__MORNING__CATCH_UP": "false",
            "SYNDICATE_DELIVERY__FROM": "Other <other@courier.example>",
            "SYNDICATE_SERVICE__MIN_FREE_DISK": "1 GB",
        },
    )
    assert settings is not None, problems
    assert settings.site.title == "Another Courier"
    assert settings.site.language == "de"
    stories = settings.source["stories"]
    assert isinstance(stories, FolderSource)
    assert stories.poll_interval == timedelta(hours=1)
    assert settings.digest["morning"].frequencies == (Frequency.WEEKLY, Frequency.INSTANT)
    assert settings.digest["morning"].max_items == 7
    assert settings.digest["morning"].catch_up is False
    assert settings.delivery.from_ == "Other <other@courier.example>"
    assert settings.service.min_free_disk == 10**9


def test_whole_sections_can_come_from_the_environment(inspect: Inspect, good: str) -> None:
    settings, problems = inspect(
        good,
        {
            "SYNDICATE_SMTP__0__HOST": "a.example",
            "SYNDICATE_SMTP__0__PORT": "587",
            "SYNDICATE_SMTP__1": '{host = "b.example"}',
            "SYNDICATE_SOURCE__CMS__TYPE": "database",
            "SYNDICATE_SOURCE__CMS__URL": "sqlite:///a.db",
            "SYNDICATE_SOURCE__CMS__TABLE": "articles",
            "SYNDICATE_SOURCE__CMS__COLUMNS__ID": "id",
            "SYNDICATE_SOURCE__CMS__COLUMNS__TITLE": "headline",
            "SYNDICATE_FEED__PORT": '{categories = ["port"]}',
        },
    )
    assert settings is not None, problems
    assert [(relay.host, relay.port) for relay in settings.smtp] == [("a.example", 587), ("b.example", 25)]
    assert isinstance(settings.source["cms"], DatabaseSource)
    assert settings.source["cms"].columns.title == "headline"
    assert settings.feed["port"].categories == ("port",)


def test_a_table_of_paths_can_come_from_the_environment(inspect: Inspect, good: str) -> None:
    settings, problems = inspect(good, {"SYNDICATE_DKIM__KEYS__S2026": "keys/s.pem"})
    assert problems == []
    assert settings is not None
    assert settings.dkim.keys == {"s2026": Path("keys/s.pem")}


def test_names_of_the_file_are_found_without_their_hyphens(inspect: Inspect, good: str) -> None:
    text = good + '[feed.my-feed]\n[throttle."mail.example"]\nrate = "1/1m"\n'
    environ = {"SYNDICATE_FEED__MY_FEED__MAX_ITEMS": "3", "SYNDICATE_THROTTLE__MAIL_EXAMPLE__CONNECTIONS": "2"}
    settings, problems = inspect(text, environ)
    assert settings is not None, problems
    assert settings.feed["my-feed"].max_items == 3
    assert settings.throttle["mail.example"].connections == 2


def test_a_domain_that_only_the_environment_names_is_none(inspect: Inspect, good: str) -> None:
    settings, problems = inspect(good, {"SYNDICATE_THROTTLE__MAIL_EXAMPLE__RATE": "5/1m"})
    assert settings is None
    assert [str(problem) for problem in problems] == [
        'SYNDICATE_THROTTLE__MAIL_EXAMPLE__RATE: throttle.mail_example: expected a domain such as "mail.example"'
    ]


def test_a_wrong_value_names_its_variable_and_key(inspect: Inspect, good: str) -> None:
    _, problems = inspect(good, {"SYNDICATE_FEED__ALL__MAX_ITEMS": "fifty", "SYNDICATE_SMTP__0__PORT": "25"})
    assert [str(problem) for problem in problems if problem.severity == "error"] == [
        "SYNDICATE_FEED__ALL__MAX_ITEMS: feed.all.max_items: expected a whole number from 1 to 10000, not 'fifty'",
        "SYNDICATE_SMTP__0__PORT: smtp.0.host: missing; expected a host name (Host name or address)",
    ]


@pytest.mark.parametrize(
    ("variable", "says"),
    [
        ("SYNDICATE_SITE__TITEL", "unknown variable; did you mean SYNDICATE_SITE__TITLE?"),
        ("SYNDICATE_STE__TITLE", "unknown variable; did you mean SYNDICATE_SITE__TITLE?"),
        ("SYNDICATE_DATABASE", "unknown variable; did you mean SYNDICATE_SERVICE__DATABASE?"),
        ("SYNDICATE_DIGEST__MORNING__SENDAT", "unknown variable; did you mean SYNDICATE_DIGEST__MORNING__SEND_AT?"),
        ("SYNDICATE_DIGEST__EVENING__SENDAT", "unknown variable; did you mean SYNDICATE_DIGEST__EVENING__SEND_AT?"),
        ("SYNDICATE_QQQQ", "unknown variable: no key has this name"),
        ("SYNDICATE_", "unknown variable: no key has this name"),
        ("SYNDICATE_SITE__TITLE__MORE", "unknown variable; did you mean SYNDICATE_SITE__TITLE?"),
        ("SYNDICATE_SMTP__2__HOST", "expected 0 to say which smtp is meant, not '2'"),
        ("SYNDICATE_SMTP__FIRST__HOST", "expected 0 to say which smtp is meant, not 'FIRST'"),
    ],
)
def test_an_unknown_variable_names_the_nearest(inspect: Inspect, good: str, variable: str, says: str) -> None:
    settings, problems = inspect(good, {variable: "x"})
    assert settings is None
    assert [(problem.where, problem.message) for problem in problems] == [(variable, says)]


def test_an_unknown_variable_makes_no_section(inspect: Inspect, good: str) -> None:
    _, problems = inspect(good, {"SYNDICATE_SOURCE__CMS__ULR": "x"})
    assert len(problems) == 1


def test_what_is_not_ours_is_left_alone(inspect: Inspect, good: str) -> None:
    environ = {
        "SYNDICATE_CONFIG": "x",
        "SYNDICATE_DEBUG": "1",
        "SYNDICATE_SERVICE_HOST": "10.0.0.1",
        "SYNDICATE_SERVICE_PORT": "8000",
        "SYNDICATE_SERVICE_PORT_HTTP": "8000",
        "SYNDICATE_PORT": "tcp://10.0.0.1:8000",
        "SYNDICATE_PORT_8000_TCP_ADDR": "10.0.0.1",
        "_SYNDICATE_COMPLETE": "x",
        "MYSYNDICATE_SITE__TITLE": "x",
    }
    assert inspect(good, environ)[1] == []


def test_bytes_that_are_no_text_are_told(inspect: Inspect, good: str) -> None:
    _, problems = inspect(good, {"SYNDICATE_SITE__TITLE": "caf\udce9"})
    assert [str(problem) for problem in problems] == ["SYNDICATE_SITE__TITLE: expected text in UTF-8"]


def test_a_twin_in_the_environment_replaces_the_other_of_the_file(inspect: Inspect, good: str, tmp_path: Path) -> None:
    (tmp_path / "address").write_text("sqlite:////srv/other.db\n")
    settings, problems = inspect(
        good
        + '[service]\ndatabase = "sqlite:///mine.db"\n[[smtp]]\nhost = "a.example"\nusername = "u"\npassword_file = "no"\n',
        {"SYNDICATE_SERVICE__DATABASE_FILE": "address", "SYNDICATE_SMTP__0__PASSWORD": "geheim"},
    )
    assert settings is not None, problems
    assert settings.database_url == "sqlite:////srv/other.db"
    assert settings.smtp[0].password is not None
    assert settings.smtp[0].password.get_secret_value() == "geheim"


def test_both_twins_in_the_environment_are_an_error(inspect: Inspect, good: str) -> None:
    _, problems = inspect(
        good, {"SYNDICATE_SERVICE__DATABASE_FILE": "address", "SYNDICATE_SERVICE__DATABASE": "sqlite:///a.db"}
    )
    assert [str(problem) for problem in problems] == [
        "SYNDICATE_SERVICE__DATABASE_FILE: service.database_file: expected either database or database_file, not both"
    ]


def test_an_unreadable_file_of_a_secret_names_the_variable(inspect: Inspect, good: str, tmp_path: Path) -> None:
    _, problems = inspect(good, {"SYNDICATE_SERVICE__DATABASE_FILE": "nowhere"})
    assert [problem.where for problem in problems] == ["SYNDICATE_SERVICE__DATABASE_FILE"]
    assert str(tmp_path / "nowhere") in problems[0].message


def test_the_mistakes_of_the_file_stay_the_files(inspect: Inspect) -> None:
    _, problems = inspect(
        'site = 5\nsmtp = "x"\nfeed = []\n',
        {"SYNDICATE_SITE__TITLE": "x", "SYNDICATE_SMTP__0__HOST": "x", "SYNDICATE_FEED__ALL__TTL": "5m"},
    )
    assert [problem.key for problem in problems] == ["site", "feed", "smtp"]
    assert all(problem.where.endswith("config.toml") for problem in problems)


def test_numbers_stay_text_where_text_is_wanted(inspect: Inspect, good: str) -> None:
    settings, _ = inspect(good, {"SYNDICATE_SITE__TITLE": "2026", "SYNDICATE_SITE__PUBLISHER": "true"})
    assert settings is not None
    assert settings.site.title == "2026"
    assert settings.site.publisher == "true"


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)


@given(TEXTS)
def test_any_text_arrives_as_it_is_or_as_the_toml_text_it_spells(text: str) -> None:
    value = value_of(text, frozenset({str}))
    assert isinstance(value, str)
    assert value == text or text.strip()[:1] in {'"', "'"}


@given(st.integers(-(10**18), 10**18))
def test_numbers_arrive_as_numbers(number: int) -> None:
    assert value_of(str(number), frozenset({int})) == number
    assert value_of(str(number), frozenset({str})) == str(number)


@given(st.lists(TEXTS.filter(lambda text: "\\" not in text and '"' not in text), max_size=4))
def test_lists_arrive_as_lists(texts: list[str]) -> None:
    written = "[" + ", ".join(f'"{text}"' for text in texts) + "]"
    assert value_of(written, frozenset({list})) == texts


@given(st.text(max_size=60), st.sets(st.sampled_from([str, int, bool, list, dict])))
def test_no_text_brings_other_types_or_keys_in(text: str, kinds: set[type]) -> None:
    value = value_of(text, frozenset(kinds))
    assert type(value) in kinds | {str}


def test_a_line_break_brings_no_second_key_in() -> None:
    assert value_of("1\nother = 2", frozenset({int})) == "1\nother = 2"


NAMES = st.lists(
    st.sampled_from(["SITE", "SMTP", "FEED", "SOURCE", "DKIM", "ALL", "KEYS", "0", "1", "TITLE", "HOST", "COLUMNS", "ID", "TYPE", "", "x", "HUB"]),
    max_size=5,
).map(lambda parts: "SYNDICATE_" + "__".join(parts))  # fmt: skip


@given(
    st.dictionaries(
        NAMES, st.sampled_from(["", "5", "folder", "[1]", "{a = 1}", '{host = "h"}', "database"]), max_size=6
    )
)
def test_any_environment_gives_settings_or_problems(environ: dict[str, str]) -> None:
    layered = lay_over({"feed": {"all": {}}, "smtp": [{"host": "a"}], "source": {"x": {"type": "folder"}}}, environ)
    assert set(layered.origins.values()) | {problem.where for problem in layered.problems} <= set(environ)


@given(st.sampled_from(["stories", "my-cms", "a_b"]), st.sampled_from(["1h", "20s", "3d"]))
def test_any_source_can_be_reached_by_name(name: str, interval: str) -> None:
    data = {"source": {name: {"type": "folder", "path": "x"}}}
    variable = f"SYNDICATE_SOURCE__{name.upper().replace('-', '_')}__POLL_INTERVAL"
    layered = lay_over(data, {variable: interval})
    assert data["source"][name]["poll_interval"] == interval
    assert layered.origins == {("source", name, "poll_interval"): variable}


def test_good_is_good_from_the_environment_alone(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("")
    settings, problems = inspect_settings(
        tmp_path / "config.toml",
        {
            "SYNDICATE_SITE": '{title = "T", url = "https://courier.example"}',
            "SYNDICATE_SOURCE": '{stories = {type = "folder", path = "."}}',
            "SYNDICATE_SMTP": '[{host = "a.example"}]',
        },
    )
    assert settings is not None, problems
    assert isinstance(settings.source["stories"], FolderSource)
    assert settings.smtp[0].host == "a.example"
