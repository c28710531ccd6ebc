"""Control before an issue goes: edit a draft, look at it, approve it; take withdrawn articles out of what waits.

Plain functions over the database and a renderer, for the command line, an API and a console alike.
"""

from syndicate.pipeline.compose.editing.approving import approve, settle_overdue
from syndicate.pipeline.compose.editing.changing import Wish, edit_issue, undo_edit
from syndicate.pipeline.compose.editing.looking import Chosen, Contents, contents, preview_issue, test_envelope
from syndicate.pipeline.compose.editing.withdrawing import TakenOut, Watch, take_out_withdrawn

__all__ = [
    "Chosen",
    "Contents",
    "TakenOut",
    "Watch",
    "Wish",
    "approve",
    "contents",
    "edit_issue",
    "preview_issue",
    "settle_overdue",
    "take_out_withdrawn",
    "test_envelope",
    "undo_edit",
]
