"""The verb ``take_return``: what came back for a delivery is applied to the ledger, the suppressions, nothing else."""

from syndicate.pipeline.returns.applying import Fate, Taken
from syndicate.pipeline.returns.messages import take_return
from syndicate.pipeline.returns.telling import take_told

__all__ = ["Fate", "Taken", "take_return", "take_told"]
