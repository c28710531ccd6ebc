"""Accept: takes a request to our own hub in, to be verified by the clock (WebSub 5.1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from syndicate.config import Settings
from syndicate.core.websub import Mode, read_request, topic_path
from syndicate.errors import HubFullError, UsageError
from syndicate.store.engine import Database
from syndicate.store.hub import has_document, put_request, reason_against, too_many_waiting


def accept(database: Database, settings: Settings, fields: Mapping[str, str], now: datetime) -> None:
    """Keep the request of a form. Raises UsageError for one that is wrong, HubFullError when too many wait.

    A subscription beyond our limits is taken in as well: its subscriber is then told that it is denied, and why.
    """
    request = read_request(settings, fields)
    path = topic_path(settings, request.topic)
    with database.write() as session:
        if request.mode is Mode.SUBSCRIBE and (path is None or not has_document(session, path)):
            raise UsageError("hub.topic: there is no such document")
        if too_many_waiting(session, request.host):
            raise HubFullError("too many requests wait to be verified; try again in a few minutes")
        denied = reason_against(session, request) if request.mode is Mode.SUBSCRIBE else None
        put_request(session, request, now, denied=denied)
