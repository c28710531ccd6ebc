"""The operators' console at ``/admin``: thin pages over what the command line calls, behind a sign-in."""

from syndicate.web.admin.console import Console

__all__ = ["Console"]
