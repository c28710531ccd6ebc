"""Our own rules for feeds, as a pure check of any feed's bytes. The table of F1 to F27 stands in docs/feeds.md."""

from syndicate.core.feeds.rules.check import check_agreement, check_document, check_formats
from syndicate.core.feeds.rules.finding import Finding, Findings, Severity

__all__ = ["Finding", "Findings", "Severity", "check_agreement", "check_document", "check_formats"]
