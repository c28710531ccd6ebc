"""Gathers what ``core/doctor`` judges: asks the database, the sources, the relays, the DNS and our own address.

Nothing here changes anything, but that the last try of one-click unsubscribing leaves its number in the database.
"""

from syndicate.service.doctor.examination import examination

__all__ = ["examination"]
