"""The operators' console at ``/admin``: thin pages over what the command line calls, behind a sign-in."""

from syndicate.web.admin.console import Console
from syndicate.web.admin.uploads import IMPORT

__all__ = ["IMPORT", "Console"]
