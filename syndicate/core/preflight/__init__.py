"""What an edition must be before it leaves, mended where that is possible: rules on finished texts and bytes.

One rule or a small group of them a file; ``flight.py`` runs them. Nothing here renders or asks the network.
"""

from syndicate.core.preflight.finding import CODES, Finding, Severity, refuse
from syndicate.core.preflight.flight import Flight, prepare
from syndicate.core.preflight.subjects import repeated_subject

__all__ = ["CODES", "Finding", "Flight", "Severity", "prepare", "refuse", "repeated_subject"]
