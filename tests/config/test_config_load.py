from __future__ import annotations

from pathlib import Path

import pytest
from configurations import Inspect

from syndicate.config.load import inspect_settings, load_settings
from syndicate.config.sources import DatabaseSource, FolderSource
from syndicate.errors import ConfigError, Problem


def test_the_base_folder_is_no_section(inspect: Inspect) -> None:
    settings, problems = inspect('base = "/etc"')
    assert settings is None
    assert problems[0].key == "base"


def told(problems: list[Problem], severity: str = "error") -> list[str]:
    return [f"{problem.key}: {problem.message}" for problem in problems if problem.severity == severity]


def test_a_good_file_has_neither_errors_nor_warnings(inspect: Inspect, good: str, tmp_path: Path) -> None:
    settings, problems = inspect(good)
    assert problems == []
    assert settings is not None
    assert settings.base == tmp_path
    assert isinstance(settings.source["stories"], FolderSource)
    assert settings.database_url == f"sqlite:///{tmp_path}/subscribers.db"
    assert settings.delivery.from_ == "News <news@courier.example>"


def test_an_empty_file_is_a_configuration(inspect: Inspect) -> None:
    settings, problems = inspect("")
    assert settings is not None
    assert problems == []


# What stands in the file beside a good configuration, and the one error it gives.
SINGLE_FAULTS = [
    ('[feed.x]\nmax_items = "fifty"', "feed.x.max_items: expected a whole number from 1 to 10000, not 'fifty'"),
    ("[feed.x]\nmax_items = 0", "feed.x.max_items: expected a whole number from 1 to 10000, not 0"),
    ("[feed.x]\nmax_items = true", "feed.x.max_items: expected a whole number, not true"),
    ("[feed.x]\nformats = []", 'feed.x.formats: expected a list in brackets of "rss", "atom", "json", not an empty list'),
    ('[feed.x]\nformats = "rss"', "feed.x.formats: expected a list in brackets of \"rss\", \"atom\", \"json\", not 'rss'"),
    ('[feed.x]\nformats = ["rss", "atm"]', 'feed.x.formats.1: expected "rss", "atom" or "json", not \'atm\''),
    ('[feed.x]\nformats = ["rss2"]', 'feed.x.formats.0: expected "rss", "atom" or "json", not \'rss2\''),
    ('[feed.x]\nhub = ["self", "http://u:p@h.example/"]', 'feed.x.hub: expected "self" or the address of a hub such as "https://hub.example"; number 2 in the list is neither'),
    ('[feed.x]\nhub = "nope"', 'feed.x.hub: expected "self" or the address of a hub such as "https://hub.example", not \'nope\''),
    ("[feed.x]\ncategories = [5]", "feed.x.categories.0: expected a text in quotes, not 5"),
    ("[feed.x]\nhub = 5", "feed.x.hub: expected a text in quotes or a list in brackets of text, not 5"),
    ('[feed.x]\nttl = "soon"', 'feed.x.ttl: expected a duration such as "90s", "15m", "1h", "2d" or "1h30m", not \'soon\''),
    ("[feed.x]\nttl = 5", 'feed.x.ttl: expected a duration such as "90s", "15m", "1h", "2d" or "1h30m", not 5'),
    ('[feed.x]\nsources = ["storys"]', "feed.x.sources: there is no source 'storys'; there is: stories"),
    ("[feed.x]\nmax_item = 5", "feed.x.max_item: unknown key; did you mean max_items?"),
    ("[feed.x]\nzzz = 5", "feed.x.zzz: unknown key; known here: sources, categories, tags, authors, languages, title, description, formats, max_items, content, ttl, max_age, max_size, per, per_min, per_max, archive, renamed_from, hub, fold"),
    ('[feed.x]\nsend_at = "07:30"', "feed.x.send_at: unknown key here; send_at belongs to [digest.NAME]"),
    ('[feed."My Feed"]', "feed.\"My Feed\": expected a name of a-z, 0-9, _ and - (it stands in addresses), not 'My Feed'"),
    ("[feed.all-1]\n[feed.all_1]", "feed.all_1: expected a name that differs from 'all-1' by more than case, _ and -"),
    ("[feed]\nx = 5", "feed.x: expected [feed.NAME]: a section with a name, not 5"),
    ('[digest.x]\nsend_at = "7:30"', "digest.x.send_at: expected a time of day in quotes such as \"07:30\", not '7:30'"),
    ("[digest.x]\nsend_at = 07:30:00", 'digest.x.send_at: expected a time of day in quotes such as "07:30", not 07:30:00'),
    ('[digest.x]\nweekly_on = "funday"', "digest.x.weekly_on: expected \"monday\", \"tuesday\", \"wednesday\", \"thursday\", \"friday\", \"saturday\" or \"sunday\", not 'funday'"),
    ('[digest.x]\ntimezone = "Europe/Londn"', "digest.x.timezone: expected a time zone name such as \"Europe/London\", not 'Europe/Londn'"),
    ('[digest.x]\ntimezone = "localtime"', "digest.x.timezone: expected a time zone name such as \"Europe/London\", not 'localtime'"),
    ('[digest.x]\nschedule = "RRULE:FREQ=HOURLY"', "digest.x.schedule: expected FREQ=YEARLY, MONTHLY, WEEKLY or DAILY: for less use instant issues or a crontab line, not 'RRULE:FREQ=HOURLY'"),
    ('[digest.x]\nschedule = "RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TU"', "digest.x.schedule: this rule counts from a day: name it in schedule_from"),
    ('[digest.x]\nschedule = "RRULE:every tuesday"', "digest.x.schedule: expected a recurrence rule such as \"RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TU\", not 'RRULE:every tuesday'"),
    ('[digest.x]\nschedule = "RRULE:FREQ=DAILY;UNTIL=20200101"', "digest.x.schedule: this rule never comes"),
    ('[digest.x]\nholidays = ["2026-02-30"]', 'digest.x.holidays: expected a date such as "2026-12-25", a day of each year such as "12-25", the first and last of several such as "2026-12-24..2027-01-01", or a country such as "GB" or "GB-ENG" for its public holidays'),
    ('[digest.x]\nholidays = ["GB-XXX"]', "digest.x.holidays: no public holidays are known for the part 'XXX' of GB; leave it out, as \"GB-ENG\""),
    ('[digest.x]\napproval = "maybe"', "digest.x.approval: expected \"none\" or \"hold\", not 'maybe'"),
    ('[digest.x]\ndefault_frequency = "weekly"', "digest.x.default_frequency: expected one of frequencies (daily), not 'weekly'"),
    ('[digest.x]\nschedule = "0 7 * * mon"\nfrequencies = ["daily"]', "digest.x.frequencies: expected either schedule or frequencies: a schedule is one rhythm for all"),
    ('[digest.x]\nschedule = "0 25 * * mon"', "digest.x.schedule: expected the hour 0 to 23 in a schedule, not '0 25 * * mon'"),
    ("[digest.x]\ntopics = []", "digest.x.topics: offers no topics; name some, or leave the key out: then all get all"),
    ('[digest.x]\ntopics = ["port", "Port"]', "digest.x.topics: expected each topic once (upper and lower case count as the same)"),
    ('[digest.x]\ntopics = ["*"]', 'digest.x.topics: expected the names of categories or tags; "*" and the empty text are none'),
    ('[digest.x]\nfrom = "nobody"', 'digest.x.from: expected a sender such as "The Harbour Courier <news@courier.example>", not \'nobody\''),
    ('[digest.x]\ntitle = "a\\nb"', "digest.x.title: expected one line of text without control characters; it holds a line break"),
    ('[digest.x]\ntitle = "a\\u0000b"', "digest.x.title: expected one line of text without control characters; it holds the control character U+0000"),
    ("[source.x]", 'source.x.type: missing; expected "folder", "database", "feed" or "push"'),
    ('[source.x]\ntype = "foldr"', "source.x.type: expected \"folder\", \"database\", \"feed\" or \"push\", not 'foldr'; did you mean \"folder\"?"),
    ("[source.x]\ntype = 5", 'source.x.type: expected "folder", "database", "feed" or "push", not 5'),
    ('[webhook.x]\nurl = "https://crm.example/"\nevents = ["confirmed"]', "webhook.x.secret: missing; expected secret or secret_file: messages are signed"),
    ('[webhook.x]\nurl = "https://crm.example/"\nevents = ["confirmed"]\nsecret = "short"', "webhook.x.secret: expected a secret of at least 24 bytes (Standard Webhooks)"),
    ('[webhook.x]\nurl = "https://crm.example/"\nevents = ["confirmed"]\nsecret = "whsec_%"', 'webhook.x.secret: expected base64 after "whsec_"'),
    ('[api]\ncors_origins = ["https://cms.example/path"]', 'api.cors_origins: expected origins such as "https://cms.courier.example", not \'https://cms.example/path\''),
    ('[source.x]\ntype = "pages"', "source.x.type: 'pages' does not work yet in this version; use \"folder\", \"database\", \"feed\" or \"push\""),
    ('[source.x]\ntype = "folder"', "source.x.path: missing; expected a path in quotes (The folder)"),
    ('[source.x]\ntype = "folder"\npath = "a"\npoll_interval = "0s"', "source.x.poll_interval: expected a duration such as \"90s\", \"15m\", \"1h\", \"2d\" or \"1h30m\", more than nothing, not '0s'"),
    ('[source.x]\ntype = "feed"', "source.x: expected either url or urls"),
    ('[source.x]\ntype = "feed"\nurl = "https://a.example/f"\nurls = ["https://b.example/f"]', "source.x: expected either url or urls"),
    ('[source.x]\ntype = "feed"\nurl = "a.example/f"', "source.x.url: expected an absolute address such as \"https://courier.example\", not 'a.example/f'"),
    ('[source.x]\ntype = "feed"\nurls = ["https://b.example/f", "https://b.example/f"]', "source.x.urls: expected addresses of feeds, each once; 'https://b.example/f' is none or stands there twice"),
    ('[source.x]\ntype = "feed"\nurl = "https://a.example/f"\nuser_agent = "a\\u00e4"', "source.x.user_agent: expected a line of ASCII such as \"HarbourCourier/1.0 (+https://courier.example)\", not 'a\u00e4'"),
    ('[source.x]\ntype = "feed"\nurl = "https://127.0.0.1:8000/feeds/all/rss.xml"', "source.x.url: 'https://127.0.0.1:8000/feeds/all/rss.xml' is a feed of our own: what we publish would come back as new articles"),
    ('[source.x]\ntype = "feed"\nurl = "https://a.example/f"\nkeep = "none"', "source.x.keep: expected \"all\" or \"window\", not 'none'"),
    ('[source.x]\ntype = "database"\nurl = "sqlite://"\ncolumns = {id = "id", title = "t"}', "source.x: expected either table or query"),
    ('[source.x]\ntype = "database"\nurl = "sqlite://"\ntable = "a"\ncolumns = {id = "id"}', "source.x.columns.title: missing; expected a text in quotes (Headline)"),
    ('[source.x]\ntype = "database"\nurl = "sqlite://"\ntable = "a"\ncolumns = {id = "id", title = "t", titel = "u"}', "source.x.columns.titel: unknown key; did you mean title?"),
    ('[source.x]\ntype = "database"\nurl = "sqlite://"\ntable = "a"\ncolumns = {id = "id", title = "t", html = "h", text = "x"}', "source.x.columns: expected one body column: html, markdown or text"),
    ('[source.x]\ntype = "database"\nurl = "sqlite:///a.db"\ntable = "a"\nquery = "select"\ncolumns = {id = "id", title = "t"}', "source.x: expected either table or query"),
    ('[source.x]\ntype = "database"\nurl = "garbage"\ntable = "a"\ncolumns = {id = "id", title = "t"}', 'source.x.url: expected a database address such as "sqlite:///FILE" or "postgresql://user:password@host/name"'),
    ('[service]\ndatabase = "sqlite://"', 'service.database: expected "sqlite:///FILE": a database in memory would forget who got what'),
    ('[service]\ndatabase = "sqlite:///:memory:"', 'service.database: expected "sqlite:///FILE": a database in memory would forget who got what'),
    ('[service]\ndatabase = "sqlite://a.db"', 'service.database: expected "sqlite:///FILE" (with four slashes for an absolute path), without options'),
    ('[service]\ndatabase = "sqlite:///a.db?mode=ro"', 'service.database: expected "sqlite:///FILE" (with four slashes for an absolute path), without options'),
    ('[service]\ndatabase = "sqlite:///file:a.db"', 'service.database: expected "sqlite:///FILE" (with four slashes for an absolute path), without options'),
    ('[service]\ndatabase = "garbage"', 'service.database: expected a database address: "sqlite:///FILE" or "postgresql://user:password@host/name"'),
    ('[service]\ndatabase = "oracle://x"', 'service.database: expected a database address: "sqlite:///FILE" or "postgresql://user:password@host/name"'),
    ('[service]\ndatabase = "postgresql://u:p@h:port/d"', 'service.database: expected a database address: "sqlite:///FILE" or "postgresql://user:password@host/name"'),
    ('[service]\ndatabase = "postgres://u:p@h/d"', 'service.database: expected a database address: "sqlite:///FILE" or "postgresql://user:password@host/name"; "postgres://" is not known, write "postgresql://"'),
    ('[service]\ndatabase = "sqlite:////no/such/folder/a.db"', "service.database: there is no folder /no/such/folder; make it, or mount the disk it belongs to"),
    ("[feed.x]\nfold = 'story'", "feed.x.fold: does not work yet in this version; leave the key out"),
    ("[digest.x]\ncorrections = 'first'", "digest.x.corrections: expected \"note\" or \"none\", not 'first'"),
    ('[digest.x]\napproval_deadline = "0s"', "digest.x.approval_deadline: expected a duration such as \"90s\", \"15m\", \"1h\", \"2d\" or \"1h30m\", more than nothing, not '0s'"),
    ('[digest.x]\napproval_default = "keep"', "digest.x.approval_default: expected \"send\" or \"lapse\", not 'keep'"),
    ("[digest.x]\nmerge = 'reader'", "digest.x.merge: expected \"subscription\" or \"subscriber\", not 'reader'"),
    ("[digest.x]\nmerge = 'subscriber'\napproval = 'hold'\n[digest.y]\nmerge = 'subscriber'", 'digest.x.merge: expected "subscription" beside approval = "hold": a draft waits for its approval, and not for others'),
    ("".join(f"[digest.x{number}]\nmerge = 'subscriber'\n" for number in range(9)), 'digest.x8.merge: expected at most 8 digests with "subscriber"'),
    ("[digest.x]\nblocks = ['top']", "digest.x.blocks: does not work yet in this version; leave the key out"),
    ("[dkim]\ndomain = 'courier'", 'dkim.domain: expected a domain such as "mail.example", not \'courier\''),
    ("[dkim]\nkeys = 's.pem'", 'dkim.keys: expected a table such as { s2026 = "keys/s2026.pem" }, not \'s.pem\''),
    ("[dkim]\nkeys = {s_2026 = 's.pem'}", "dkim.keys: expected selectors of small letters, digits and hyphens such as \"s2026\", not 's_2026'"),
    ("[dkim]\nkeys = {s2026 = 1}", 'dkim.keys: expected a table such as { s2026 = "keys/s2026.pem" }, not 1'),
    ('[digest.x]\nfrequencies = ["daly"]\ndefault_frequency = "weekly"', 'digest.x.frequencies.0: expected "instant", "daily", "weekly" or "monthly", not \'daly\''),
    ('[service]\nlisten = "8000"', "service.listen: expected an address and a port such as \"127.0.0.1:8000\" or \"[::1]:8000\", not '8000'"),
    ('[service]\nlisten = "http://127.0.0.1:8000"', "service.listen: expected an address and a port such as \"127.0.0.1:8000\" or \"[::1]:8000\", not 'http://127.0.0.1:8000'"),
    ('[service]\nlisten = "127.0.0.1:99999"', "service.listen: expected an address and a port such as \"127.0.0.1:8000\" or \"[::1]:8000\", not '127.0.0.1:99999'"),
    ('[service]\npublic_url = "courier.example"', "service.public_url: expected an absolute address such as \"https://courier.example\", not 'courier.example'"),
    ('[service]\npublic_url = "https://courier.example/?a=b"', 'service.public_url: expected an address without "?" and "#": others are built on it, not \'https://courier.example/?a=b\''),
    ('[service]\npublic_url = "https://[::1"', "service.public_url: expected an absolute address such as \"https://courier.example\", not 'https://[::1'"),
    ('[service]\nmin_free_disk = "much"', "service.min_free_disk: expected a size such as \"200 MB\" or a number of bytes, not 'much'"),
    ('[service]\nlog_level = "loud"', "service.log_level: expected \"debug\", \"info\", \"warning\" or \"error\", not 'loud'"),
    ('[bounce]\nreturn_path = "Bounces <b@courier.example>"', "bounce.return_path: expected a bare mail address such as \"bounces@courier.example\", not 'Bounces <b@courier.example>'"),
    ('[[smtp]]\nhost = ""', "smtp.0.host: expected a host name, not ''"),
    ("[[smtp]]\nport = 25", "smtp.0.host: missing; expected a host name (Host name or address)"),
    ('[[smtp]]\nhost = "a.example"\n[[smtp]]\nhost = "a.example"', "smtp.1.name: expected a name of its own: 'a.example:25' is taken"),
    ('[[smtp]]\nhost = "a.example"\nusername = "u"', "smtp.0.password: missing; expected password or password_file beside username"),
    ('[[smtp]]\nhost = "a.example"\npassword = "p"', "smtp.0.username: missing; expected the name that the password belongs to"),
    ('[smtp]\nhost = "a.example"', "smtp: expected [[smtp]] in double brackets, not a table"),
    ("[digests.x]", "digests: unknown section; did you mean [digest.NAME]?"),
    ("[mailbox.x]\nhost = 'imap.example'\nusername = 'u'", "mailbox.x.password: missing; expected password or password_file beside username"),
    ("[hook.x]\nprovider = 'ses'", "hook.x.topic: missing; expected topic: unsigned messages are not believed"),
    ("[hook.x]\nprovider = 'mailgun'", "hook.x.secret: missing; expected secret or secret_file: unsigned messages are not believed"),
    ("[hook.x]\nprovider = 'ses'\ntopic = 'arn:aws:sns:x'\nsecret = 'abc'", "hook.x.secret: has no meaning for ses; expected topic alone"),
    ("[hook.x]\nprovider = 'generic'\nsecret = 'short'", "hook.x.secret: expected a secret of at least 24 bytes (Standard Webhooks)"),
    ("[hook.x]\nprovider = 'sendgrid'\npublic_key = '%'", "hook.x.public_key: expected the base64 of a public key, as the provider shows it, not '%'"),
    ("[bounce]\nlmtp = 'unix:'", 'bounce.lmtp: expected a path behind "unix:", not \'unix:\''),
    ("[bounce]\nlmtp = 'nowhere'", 'bounce.lmtp: expected an address and a port such as "127.0.0.1:8000" or "[::1]:8000", not \'nowhere\''),
    ("[bounce]\npause_hard = 101", "bounce.pause_hard: expected a whole number from 0 to 100, not 101"),
    ("[service]\noperator = 'Desk <desk@courier.example>'", 'service.operator: expected a bare mail address such as "bounces@courier.example", not \'Desk <desk@courier.example>\''),
    ("[zzz]", 'zzz: unknown section; known are [site], [service], [source.NAME], [feed.NAME], [digest.NAME], [delivery], [[smtp]], [throttle."DOMAIN"], [dkim], [bounce], [mailbox.NAME], [hook.NAME], [signup], [privacy], [api], [webhook.NAME], [admin]'),
    ('[throttle." "]\nrate = "5/1m"', 'throttle." ": expected a domain such as "mail.example"'),
    ('[throttle."mail.example"]\nrate = "5"', 'throttle."mail.example".rate: expected a number of messages in a time, such as "100/1m" or "5000/1h", not \'5\''),
    ('[throttle."mail.example"]\nrate = "0/1m"', 'throttle."mail.example".rate: expected a number of messages in a time, such as "100/1m" or "5000/1h", not \'0/1m\''),
    ('[throttle."mail.example"]\nrate = 100', 'throttle."mail.example".rate: expected a number of messages in a time, such as "100/1m" or "5000/1h", not 100'),
    ('[throttle."mail.example"]\nconnections = 0', 'throttle."mail.example".connections: expected a whole number, at least 1, not 0'),
    ('[throttle."mail.example"]\nalso = ["x"]', 'throttle."mail.example".also: expected a domain such as "mail.example"'),
    ('[throttle."a.example"]\nalso = ["B.example"]\n[throttle."b.example"]\nrate = "1/1s"', 'throttle."b.example": \'b.example\' has its limits in [throttle.\'a.example\'] already'),
    ('[[smtp]]\nhost = "a.example"\nrate = "5/x"', 'smtp.0.rate: expected a number of messages in a time, such as "100/1m" or "5000/1h", not \'5/x\''),
    ('[[smtp]]\nhost = "a.example"\nweight = 0', "smtp.0.weight: expected a whole number from 1 to 1000, not 0"),
    ('[[smtp]]\nhost = "a.example"\nwarm_up = [200, 0]', "smtp.0.warm_up.1: expected a whole number, at least 1, not 0"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"), SINGLE_FAULTS, ids=[text.replace("\n", " ") for text, _ in SINGLE_FAULTS]
)
def test_each_fault_is_told_once_in_plain_words(inspect: Inspect, good: str, text: str, expected: str) -> None:
    settings, problems = inspect(good + text)
    assert settings is None
    assert told(problems) == [expected]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            'title = "The Harbour Courier"',
            "",
            "site.title: missing; expected the paper's name, since there is a feed or digest",
        ),
        (
            'url = "https://courier.example"',
            "",
            "site.url: missing; expected the site's address, since there is a feed or digest",
        ),
        (
            'url = "https://courier.example"',
            'url = "courier"',
            "site.url: expected an absolute address such as \"https://courier.example\", not 'courier'",
        ),
        (
            'from = "News <news@courier.example>"',
            "",
            "delivery.from: missing; expected a sender such as 'The Harbour Courier <news@courier.example>' for the digest morning",
        ),
        (
            'from = "News <news@courier.example>"',
            'from = "News"',
            "delivery.from: expected a sender such as \"The Harbour Courier <news@courier.example>\", not 'News'",
        ),
        (
            "[delivery]",
            '[delivery]\ntransport = "smtp"',
            "smtp: missing; expected at least one [[smtp]] with a host, since delivery.transport is smtp",
        ),
        (
            "[delivery]",
            '[delivery]\ntransport = "pigeon"',
            'delivery.transport: expected "maildir" or "smtp", not \'pigeon\'',
        ),
        (
            "[delivery]",
            "[delivery]\nretry = []",
            'delivery.retry: expected a list of durations such as ["5m", "15m", "1h"], not an empty list',
        ),
        (
            "[delivery]",
            '[delivery]\nretry = ["5m", "x"]',
            'delivery.retry.1: expected a duration such as "90s", "15m", "1h", "2d" or "1h30m", not \'x\'',
        ),
        (
            "[site]",
            "title = 'x'\n[site]",
            "title: a key outside of all sections; title belongs to [site] or [feed.NAME] or [digest.NAME]",
        ),
        ("[feed.all]", "[[feed]]", "feed: expected [feed.NAME], not a list"),
        (
            "[feed.all]",
            "[[site.x]]",
            "site.x: unknown key; known here: title, url, description, language, timezone, publisher, copyright, icon, logo, favicon, postal_address, tag_authority",
        ),
    ],
)
def test_a_fault_put_into_a_good_file(inspect: Inspect, good: str, old: str, new: str, expected: str) -> None:
    assert old in good
    settings, problems = inspect(good.replace(old, new))
    assert settings is None
    assert told(problems) == [expected]


def test_all_problems_come_in_one_report(inspect: Inspect, good: str) -> None:
    text = (
        good
        + '[feed.x]\nmax_items = "fifty"\n[service]\nlisten = "x"\ndatabse = "y"\n[[smtp]]\n[digest.x]\nsources = ["nope"]\n'
    )
    settings, problems = inspect(text, {"SYNDICATE_SITE__TITEL": "x"})
    assert settings is None
    assert [problem.key for problem in problems if problem.severity == "error"] == [
        "",
        "service.listen",
        "service.databse",
        "feed.x.max_items",
        "smtp.0.host",
        "digest.x.sources",
    ]
    with pytest.raises(ConfigError) as caught:
        raise ConfigError(problems)
    assert "config.toml: feed.x.max_items: expected a whole number" in str(caught.value)


def test_a_fault_in_a_section_hides_no_clash_between_its_keys(inspect: Inspect, good: str) -> None:
    source = '[source.x]\ntype = "database"\nurl = "garbage"\ntable = "a"\nquery = "select"\n'
    columns = '[source.x.columns]\nid = 5\ntitel = "t"\nhtml = "h"\ntext = "x"\n'
    relays = (
        '[[smtp]]\nusername = "u"\n[[smtp]]\nhost = "a.example"\nport = 0\nusername = "u"\ntls_skip_verify = true\n'
    )
    digest = '[digest.x]\nsend_at = "7"\nmerge = "x"\nschedule = "0 7 * * *"\nfrequencies = ["daily"]\n[bounce]\nreturn_path = "b"\n'
    settings, problems = inspect(good + source + columns + relays + digest)
    assert settings is None
    assert {line.partition(": ")[0] for line in told(problems)} == {
        "source.x",
        "source.x.url",
        "source.x.columns",
        "source.x.columns.id",
        "source.x.columns.title",
        "source.x.columns.titel",
        "smtp.0.host",
        "smtp.0.password",
        "smtp.1.port",
        "smtp.1.password",
        "digest.x.send_at",
        "digest.x.merge",
        "digest.x.frequencies",
        "bounce.return_path",
    }
    assert [line.partition(": ")[0] for line in told(problems, "warning")] == ["smtp.1.tls_skip_verify", "smtp"]


def test_an_absolute_folder_of_the_database_is_the_operators(inspect: Inspect, good: str, tmp_path: Path) -> None:
    settings, _ = inspect(good + '[service]\ndatabase = "sqlite:///data/a.db"\n')
    assert settings is not None
    assert not (tmp_path / "data").exists()
    settings.make_database_folder()
    assert (tmp_path / "data").is_dir()
    there = f'[service]\ndatabase = "sqlite:///{tmp_path}/a.db"\n'
    assert inspect(good + there)[1] == []
    # Where the folder went after the settings were read, nothing is made either.
    gone = settings.model_copy(
        update={"service": settings.service.model_copy(update={"database": f"sqlite:///{tmp_path}/b/a.db"})}
    )
    gone.make_database_folder()
    assert not (tmp_path / "b").exists()


def test_load_settings_raises_the_errors_and_not_the_warnings(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[feed.x]\nmax_items = 0\narchive = true\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(path, {})
    assert {problem.severity for problem in caught.value.problems} == {"error"}
    assert len(caught.value.problems) == 3  # max_items, site.title, site.url


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[site]\ntitle = \n", "not valid TOML: Invalid value (at line 2, column 9)"),
        (b"[site\n", "(at line 1, column 6)"),
        (b'[site]\ntitle = "a"\ntitle = "b"\n', "line 3"),
        (b'[site]\n\ntitle = "\xe9"\n', "expected text in UTF-8; line 3"),
        (b"a = " + b"[" * 5000, "nested too deeply"),
        (b"a = " + b"9" * 5000, "not valid TOML"),
    ],
)
def test_a_file_that_is_no_toml_is_told_with_its_line(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    settings, problems = inspect_settings(path, {})
    assert settings is None
    assert len(problems) == 1
    assert problems[0].where == str(path)
    assert says in problems[0].message


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b'\xef\xbb\xbf[site]\ntitle = "x"\n')
    assert load_settings(path, {}).site.title == "x"


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    _, problems = inspect_settings(tmp_path / "config.toml", {"SYNDICATE_SITE__TITLE": "x"})
    assert [problem.where for problem in problems] == [str(tmp_path / "config.toml")]
    assert "syndicate init" in problems[0].message


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    _, problems = inspect_settings(tmp_path, {})
    assert "cannot be read: Is a directory" in problems[0].message


def test_a_name_that_cannot_be_a_file(tmp_path: Path) -> None:
    _, problems = inspect_settings(tmp_path / "a\0b", {})
    assert "cannot be read" in problems[0].message


DATABASE = '[source.cms]\ntype = "database"\ntable = "a"\ncolumns = {id = "id", title = "t"}\n'


def test_a_secret_may_stand_in_a_file_of_its_own(inspect: Inspect, good: str, tmp_path: Path) -> None:
    (tmp_path / "smtp").write_text("  geheim\n")
    (tmp_path / "address").write_text("postgresql://u:p@db.example/syndicate\n")
    (tmp_path / "cms").write_text("sqlite:///cms.db\n")
    text = (
        good
        + '[service]\ndatabase_file = "address"\n[[smtp]]\nhost = "a.example"\nusername = "u"\npassword_file = "smtp"\n'
        + DATABASE
        + 'url_file = "cms"\n'
    )
    settings, _ = inspect(text)
    assert settings is not None
    assert settings.smtp[0].password is not None
    assert settings.smtp[0].password.get_secret_value() == "geheim"
    assert settings.database_url == "postgresql://u:p@db.example/syndicate"
    assert isinstance(settings.source["cms"], DatabaseSource)
    assert settings.source["cms"].url == "sqlite:///cms.db"


def test_both_twins_are_an_error(inspect: Inspect, good: str, tmp_path: Path) -> None:
    (tmp_path / "p").write_text("x")
    _, problems = inspect(good + '[[smtp]]\nhost = "a.example"\nusername = "u"\npassword = "x"\npassword_file = "p"\n')
    assert told(problems) == ["smtp.0.password_file: expected either password or password_file, not both"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot read {path}: No such file or directory"),
        (b" \n", "cannot read {path}: it is empty"),
        (b"\xff\xfe", "cannot read {path}: it is not text in UTF-8"),
        (b"x" * 70_000, "cannot read {path}: it is larger than 65536 bytes, which no secret is"),
    ],
)
def test_a_secret_that_cannot_be_read_names_its_file(
    inspect: Inspect, good: str, tmp_path: Path, content: bytes | None, says: str
) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    for section, key, text in (
        ("smtp.0", "password_file", '[[smtp]]\nhost = "a.example"\nusername = "u"\npassword_file = "password"\n'),
        ("source.cms", "url_file", DATABASE + 'url_file = "password"\n'),
        ("service", "database_file", '[service]\ndatabase_file = "password"\n'),
    ):
        _, problems = inspect(good + text)
        assert told(problems) == [f"{section}.{key}: {says.format(path=path)}"]


SECRETS = [
    ('[[smtp]]\nhost = "a.example"\npassword = ["geheim"]', "smtp.0.password"),
    ('[[smtp]]\nhost = "a.example"\nusername = "u"\npassword = "geheim\\u0001"', "smtp.0.password"),
    ('[[smtp]]\nhost = "a.example"\npasword = "geheim"', "smtp.0.pasword"),
    ('[service]\ndatabase = ["geheim"]', "service.database"),
    ('[service]\nheartbeat_url = "geheim"', "service.heartbeat_url"),
    ('[service]\nheartbeat_url = "https://u:geheim@watch.example/"', "service.heartbeat_url"),
    ('[service]\npublic_url = "https://u:geheim@courier.example"', "service.public_url"),
    (DATABASE + 'url = {a = "geheim"}', "source.cms.url"),
    ('smtp = "smtp://u:geheim@a.example"', "smtp"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "key"), SECRETS)
def test_no_message_shows_a_secret(inspect: Inspect, good: str, text: str, key: str) -> None:
    settings, problems = inspect(text + "\n" + good if text.startswith("smtp =") else good + text)
    assert settings is None
    assert key in [problem.key for problem in problems]
    assert not any("geheim" in str(problem) for problem in problems)


def test_settings_do_not_show_secrets_when_printed(inspect: Inspect, good: str) -> None:
    text = good + '[service]\ndatabase = "postgresql://u:geheim@h/d"\nheartbeat_url = "https://h.example/geheim"\n'
    text += (
        '[[smtp]]\nhost = "a.example"\nusername = "u"\npassword = "geheim"\n'
        + DATABASE
        + 'url = "mysql://u:geheim@h/d"\n'
    )
    settings, _ = inspect(text)
    assert settings is not None
    assert "geheim" not in repr(settings)
    assert "geheim" not in str(settings)


def test_relative_paths_start_from_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "paper").mkdir()
    (tmp_path / "paper" / "config.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    settings = load_settings(Path("paper/config.toml"), {})
    monkeypatch.chdir("/")
    assert settings.feeds_path == tmp_path / "paper" / "feeds"
    assert settings.database_path == tmp_path / "paper" / "subscribers.db"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    # A folder, since root may read every file.
    path = tmp_path / "config.toml"
    path.mkdir()
    _, problems = inspect_settings(path, {})
    assert "cannot be read: Is a directory" in problems[0].message


def test_a_return_path_leaves_room_for_its_token(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[bounce]\nreturn_path = "bounces-of-the-harbour-courier@courier.example"\n')
    _, problems = inspect_settings(path, {})
    assert any(
        problem.key == "bounce.return_path" and "at most 20 characters before the @" in problem.message
        for problem in problems
    )
