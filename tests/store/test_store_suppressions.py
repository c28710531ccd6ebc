"""The suppression list, on both databases."""

from __future__ import annotations

from datetime import datetime

from syndicate.store import suppressions
from syndicate.store.engine import Database
from syndicate.store.suppressions import SuppressionReason


def test_an_entry_keeps_its_first_reason_and_can_be_taken_out(database: Database, now: datetime) -> None:
    with database.write() as session:
        assert suppressions.add(session, "address", "a" * 64, SuppressionReason.HARD, now=now, note="550 5.1.1")
        assert not suppressions.add(session, "address", "a" * 64, SuppressionReason.MANUAL, now=now)
    with database.read() as session:
        found = suppressions.suppression_of(session, "a" * 64, "example.org")
        assert found is not None
        assert (found.reason, found.note, found.created_at) == (SuppressionReason.HARD, "550 5.1.1", now)
    with database.write() as session:
        assert suppressions.remove(session, "address", "a" * 64)
        assert not suppressions.remove(session, "address", "a" * 64)
        assert not suppressions.is_suppressed(session, "a" * 64, "example.org")


def test_a_domain_covers_those_below_it_and_no_other(database: Database, now: datetime) -> None:
    with database.write() as session:
        suppressions.add(session, "domain", "mail.example", SuppressionReason.MANUAL, now=now)
        for domain, covered in {
            "mail.example": True,
            "eu.mail.example": True,
            "hotmail.example": False,
            "example": False,
            "other.example": False,
        }.items():
            assert suppressions.is_suppressed(session, "b" * 64, domain) == covered
        asked = {"eu.mail.example", "hotmail.example", "mail.example"}
        assert suppressions.suppressed_domains(session, asked) == {
            "eu.mail.example": "manual",
            "mail.example": "manual",
        }
        assert suppressions.suppressed_domains(session, set()) == {}


def test_many_are_asked_at_once(database: Database, now: datetime) -> None:
    hashes = [f"{number:064x}" for number in range(2000)]
    with database.write() as session:
        for value in hashes[::500]:
            suppressions.add(session, "address", value, SuppressionReason.COMPLAINT, now=now)
        # A domain of the same text is no address.
        suppressions.add(session, "domain", hashes[1], SuppressionReason.MANUAL, now=now)
        assert suppressions.suppressed_hashes(session, hashes) == dict.fromkeys(hashes[::500], "complaint")


def test_the_list_comes_newest_first_and_in_pages(database: Database, now: datetime) -> None:
    with database.write() as session:
        for number in range(5):
            suppressions.add(session, "domain", f"d{number}.example", SuppressionReason.MANUAL, now=now)
        first = suppressions.suppressions(session, limit=3)
        rest = suppressions.suppressions(session, limit=3, before=first[-1].id)
    assert [one.value for one in first + rest] == [f"d{number}.example" for number in (4, 3, 2, 1, 0)]
