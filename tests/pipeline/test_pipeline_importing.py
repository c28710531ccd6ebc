"""Import and export of subscribers: each line counts, nothing is asked twice, round trips are exact."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from members_setup import SETTINGS, add, freeze_at, rows, set_seq

from syndicate.core.addresses import hash_address
from syndicate.errors import UnknownNameError, UsageError
from syndicate.model import Keyring
from syndicate.pipeline.members.describing import person_document
from syndicate.pipeline.members.exporting import export_subscribers
from syndicate.pipeline.members.import_chunk import Imported, ImportRules
from syndicate.pipeline.members.importing import import_subscribers
from syndicate.pipeline.members.unsubscribing import unsubscribe_address
from syndicate.store import suppressions
from syndicate.store.engine import Database

STATES = "SELECT email, digest, state FROM subscriptions s JOIN subscribers p ON p.id = s.subscriber_id ORDER BY s.id"


def load(
    database: Database, keyring: Keyring, data: str, now: datetime, **rules: object
) -> tuple[Imported, dict[int, str]]:
    problems: dict[int, str] = {}
    done = import_subscribers(
        database,
        SETTINGS,
        keyring,
        io.BytesIO(data.encode()),
        ImportRules(**({"digest": "morning", "origin": "readers.csv"} | rules)),  # type: ignore[arg-type]
        now=now,
        report=problems.__setitem__,
    )
    return done, problems


def test_new_readers_are_asked_to_confirm(database: Database, keyring: Keyring, now: datetime) -> None:
    data = "email,name,notes\nann@example.org,Ann,x\nbroken,,\nbo@example.org,Bo,y\n"
    done, problems = load(database, keyring, data, now)
    assert done == Imported(lines=3, added=2, bad=1, owed=2, unused=("notes",))
    assert list(problems) == [3]
    assert rows(database, STATES) == [
        ("ann@example.org", "morning", "unconfirmed"),
        ("bo@example.org", "morning", "unconfirmed"),
    ]
    assert rows(database, "SELECT state, attempts FROM confirmations") == [("queued", 0), ("queued", 0)]
    assert rows(database, "SELECT event, via, detail FROM consent_events ORDER BY id") == [
        ("subscribe", "import", '{"file":"readers.csv","line":2}'),
        ("subscribe", "import", '{"file":"readers.csv","line":4}'),
    ]


def test_again_changes_nothing(database: Database, keyring: Keyring, now: datetime) -> None:
    data = "email,name,topics\n" + "".join(f"reader{n}@example.org,Reader,port\n" for n in range(1500))
    assert load(database, keyring, data, now)[0].added == 1500
    later = now + timedelta(days=1)
    assert load(database, keyring, data, later)[0] == Imported(lines=1500, unchanged=1500)
    assert rows(database, "SELECT count(*) FROM confirmations") == [(1500,)]
    assert rows(database, "SELECT count(*) FROM consent_events") == [(1500,)]


def test_what_a_line_says_and_what_the_operator_declares(database: Database, keyring: Keyring, now: datetime) -> None:
    data = (
        "email,state,digest\n"
        "ann@example.org,,\n"
        "bo@example.org,unsubscribed,\n"
        "cy@example.org,unconfirmed,\n"
        "di@example.org,confirmed,weekend\n"
        "ed@example.org,,weekend\n"
    )
    done, _ = load(database, keyring, data, now, confirmed=True)
    assert (done.added, done.owed) == (5, 1)
    assert rows(database, STATES) == [
        ("ann@example.org", "morning", "confirmed"),
        ("bo@example.org", "morning", "unsubscribed"),
        ("cy@example.org", "morning", "unconfirmed"),
        ("di@example.org", "weekend", "confirmed"),
        ("ed@example.org", "weekend", "confirmed"),
    ]
    query = "SELECT event FROM consent_events ORDER BY id"
    assert [event for (event,) in rows(database, query)] == [
        "import_confirmed",
        "import_unsubscribed",
        "subscribe",
        "import_confirmed",
        "import_confirmed",
    ]


def test_single_opt_in_needs_no_mail(database: Database, keyring: Keyring, now: datetime) -> None:
    done, _ = load(database, keyring, "email\nann@example.org\n", now, digest="weekend")
    assert (done.added, done.owed) == (1, 0)
    assert rows(database, STATES) == [("ann@example.org", "weekend", "confirmed")]


def test_nobody_who_left_is_brought_back(database: Database, keyring: Keyring, now: datetime) -> None:
    add(database, keyring, "ann@example.org", now)
    unsubscribe_address(database, "ann@example.org", now=now)
    data = "email,state,name\nann@example.org,confirmed,Ann\nANN@example.org,,\n"
    done, _ = load(database, keyring, data, now, confirmed=True)
    assert (done.kept_unsubscribed, done.added) == (2, 0)
    assert rows(database, STATES) == [("ann@example.org", "morning", "unsubscribed")]
    assert rows(database, "SELECT count(*) FROM confirmations") == [(0,)]


def test_who_is_there_is_updated(database: Database, keyring: Keyring, now: datetime) -> None:
    add(database, keyring, "ann@example.org", now, name="Ann", language="en")
    add(database, keyring, "bo@example.org", now, confirmed=False)
    set_seq(database, 20)
    freeze_at(database, 20)
    data = (
        "email,name,frequency,topics,language,state\n"
        "ann@example.org,Ann Brand,weekly,port,,\n"
        "bo@example.org,,,,de,confirmed\n"
    )
    done, _ = load(database, keyring, data, now)
    assert done == Imported(lines=2, updated=2)
    assert rows(database, "SELECT name, language FROM subscribers ORDER BY id") == [("Ann Brand", "en"), ("", "de")]
    assert rows(database, "SELECT frequency, topics, cursor, state FROM subscriptions ORDER BY id") == [
        ("weekly", '{"port":0}', 20, "confirmed"),
        ("daily", '{"*":0}', 0, "confirmed"),
    ]
    assert rows(database, "SELECT state FROM confirmations") == [("cancelled",)]


def test_a_later_line_goes_over_an_earlier_one(database: Database, keyring: Keyring, now: datetime) -> None:
    data = (
        "email,name,topics,state\n"
        "ann@example.org,Ann,port,confirmed\n"
        "Ann@Example.org,Ann B.,sport,\n"
        "ann@example.org,,,unsubscribed\n"
        "ann@example.org,,,confirmed\n"
    )
    done, _ = load(database, keyring, data, now)
    assert (done.added, done.updated, done.kept_unsubscribed) == (1, 2, 1)
    assert rows(database, STATES) == [("ann@example.org", "morning", "unsubscribed")]
    assert rows(database, "SELECT name, email FROM subscribers") == [("Ann B.", "ann@example.org")]
    assert rows(database, "SELECT topics FROM subscriptions") == [('{"sport":0}',)]
    assert rows(database, "SELECT count(*) FROM confirmations") == [(0,)]


def test_suppressed_lines_are_reported(database: Database, keyring: Keyring, now: datetime) -> None:
    with database.write() as session:
        hashed = hash_address("ann@example.org", keyring.hash_key)
        suppressions.add(session, "address", hashed, suppressions.SuppressionReason.HARD, now=now)
        suppressions.add(session, "domain", "blocked.example", suppressions.SuppressionReason.MANUAL, now=now)
    data = "email\nANN@example.org\nbo@mail.blocked.example\ncy@example.org\n"
    done, problems = load(database, keyring, data, now)
    assert (done.added, done.bad) == (1, 2)
    assert problems == {
        2: "ANN@example.org is suppressed (hard)",
        3: "bo@mail.blocked.example is suppressed (manual)",
    }


def test_which_digest(database: Database, keyring: Keyring, now: datetime) -> None:
    with pytest.raises(UsageError, match="--digest"):
        load(database, keyring, "email\nann@example.org\n", now, digest=None)
    with pytest.raises(UnknownNameError):
        load(database, keyring, "email\nann@example.org\n", now, digest="evening")
    done, problems = load(
        database, keyring, "email,digest\nann@example.org,weekend\nbo@example.org,\n", now, digest=None
    )
    assert (done.added, done.bad) == (1, 1)
    assert "which digest" in problems[3]


def exported(database: Database) -> str:
    out = io.StringIO(newline="")
    export_subscribers(database, out)
    return out.getvalue()


def test_exported_and_imported_the_list_is_the_same(
    database: Database, other_database: Database, keyring: Keyring, now: datetime
) -> None:
    data = (
        "email,name,digest,frequency,topics,timezone,language,state\n"
        'ann@example.org,"Brand, ""Ann""",morning,weekly,port;sport,Europe/London,pt-BR,confirmed\n'
        "Käthe@möwenhagen.example,=1+2,morning,daily,*,,,unconfirmed\n"
        "ann@example.org,,weekend,weekly,*,,,unsubscribed\n"
        "bo@example.org,港の人,weekend,,,Asia/Tokyo,ja,confirmed\n"
    )
    assert load(database, keyring, data, now)[0].added == 4
    first = exported(database)
    assert len(first.splitlines()) == 5
    assert load(other_database, keyring, first, now, digest=None)[0].added == 4
    assert exported(other_database) == first


def test_export_pages_through_many(database: Database, keyring: Keyring, now: datetime) -> None:
    data = "email\n" + "".join(f"reader{n}@example.org\n" for n in range(2500))
    load(database, keyring, data, now, confirmed=True)
    lines = exported(database).splitlines()
    assert len(lines) == 2501
    assert lines[2500].startswith("reader2499@example.org,")


def test_killed_in_the_middle_it_is_run_again(
    database_url: str, keyring: Keyring, now: datetime, tmp_path: Path
) -> None:
    total = 10_000
    file = tmp_path / "readers.csv"
    file.write_text("email\n" + "".join(f"reader{n}@example.org\n" for n in range(total)))
    program = (
        "import sys; from datetime import datetime, UTC; from pathlib import Path\n"
        "sys.path.insert(0, sys.argv[3])\n"
        "from members_setup import SETTINGS; from syndicate.model import Keyring, SigningKey\n"
        "from syndicate.pipeline.members import importing; from syndicate.pipeline.members.importing import import_subscribers\n"
        "importing.CHUNK = 1000\n"
        "from syndicate.pipeline.members.import_chunk import ImportRules\n"
        "from syndicate.store.engine import Database\n"
        "keys = Keyring(keys=(SigningKey(id='k1', secret=b's' * 32),), hash_key=b'h' * 32)\n"
        "with open(sys.argv[2], 'rb') as lines:\n"
        "    import_subscribers(Database(sys.argv[1]), SETTINGS, keys, lines, ImportRules(digest='morning'),\n"
        "        now=datetime.now(UTC), report=print, progress=lambda count: print(count, flush=True))\n"
    )
    command = [sys.executable, "-c", program, database_url, str(file), str(Path(__file__).parents[1])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline().strip() == "1000"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    database = Database(database_url)
    try:
        deadline = time.monotonic() + 60
        while rows(database, "SELECT count(*) FROM subscriptions")[0][0] % 1000 and time.monotonic() < deadline:
            time.sleep(0.1)  # PostgreSQL notices the broken connection a moment later
        stored = rows(database, "SELECT count(*) FROM subscriptions")[0][0]
        assert 3000 <= stored < total
        done, _ = load(database, keyring, file.read_text(), now)
        assert (done.added, done.unchanged) == (total - stored, stored)
        for table in ("subscribers", "subscriptions", "confirmations", "consent_events"):
            assert rows(database, f"SELECT count(*) FROM {table}") == [(total,)]  # noqa: S608 - our own names
    finally:
        database.close()


def test_an_imported_reader_has_proof(database: Database, keyring: Keyring, now: datetime) -> None:
    load(database, keyring, "email\nann@example.org\n", now, confirmed=True)
    (subscription,) = person_document(database, keyring, "ann@example.org")["subscriptions"]
    (event,) = subscription["consent"]
    assert event == {"event": "import_confirmed", "at": now, "via": "import", "file": "readers.csv", "line": 2}
