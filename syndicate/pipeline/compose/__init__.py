"""Compose an issue: select for everyone, render each edition once, and freeze it all in one transaction."""

from syndicate.pipeline.compose.composing import compose
from syndicate.pipeline.compose.due import Composed, Memory, compose_due
from syndicate.pipeline.compose.editions import EditionRenderer
from syndicate.pipeline.compose.planning import Plan, plan_issue
from syndicate.pipeline.compose.previewing import DryRun, Preview, dry_run, preview_digest, sample_envelope

__all__ = [
    "Composed",
    "DryRun",
    "EditionRenderer",
    "Memory",
    "Plan",
    "Preview",
    "compose",
    "compose_due",
    "dry_run",
    "plan_issue",
    "preview_digest",
    "sample_envelope",
]
