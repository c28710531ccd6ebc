"""Looks at where what comes back arrives: each mailbox by a log-in, the Maildir, or nothing at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta

from syndicate.core.doctor.finding import Finding, Group, Judge
from syndicate.errors import InboundError
from syndicate.io.imap import log_in
from syndicate.service.doctor.checks import Check, Surroundings
from syndicate.service.doctor.mail import is_meant_to_leave

_PATIENCE = timedelta(seconds=10)


def mailbox_checks(around: Surroundings) -> Iterator[Check]:
    """One check for each place; one for there being none although bounces have an address."""
    settings = around.settings
    bounce = settings.bounce
    for name in settings.mailbox:
        yield Check(Group.MAILBOX, f"mailbox {name}", lambda name=name: [_mailbox(around, name)])  # type: ignore[misc]
    if bounce.maildir is not None:
        yield Check(Group.MAILBOX, str(bounce.maildir), lambda: [_maildir(around)])
    if (
        bounce.return_path
        and is_meant_to_leave(settings)
        and not (settings.mailbox or bounce.maildir or bounce.lmtp or settings.hook)
    ):
        yield Check(Group.MAILBOX, bounce.return_path, lambda: [_nobody(bounce.return_path or "")])


def _mailbox(around: Surroundings, name: str) -> Finding:
    judge = Judge(Group.MAILBOX, f"mailbox {name}")
    config = around.settings.mailbox[name]
    quick = config.model_copy(update={"timeout": min(config.timeout, _PATIENCE)})
    try:
        count = log_in(name, quick, around.settings.base)
    except InboundError as error:
        what, _, todo = str(error).removeprefix(f"mailbox {name}: ").partition("; ")
        return judge.error("mailbox.failed", what, todo or "see what the server's own log says")
    what = f"logged in, {config.folder} holds {count} message{'s' * (count != 1)}"
    if config.tls_skip_verify and config.tls_type != "none":
        return judge.warning(
            "mailbox.unverified",
            f"{what}, but any certificate is accepted (tls_skip_verify)",
            "take tls_skip_verify out; an authority of your own goes into tls_ca_file",
        )
    return judge.good("mailbox.open", what)


def _maildir(around: Surroundings) -> Finding:
    given = around.settings.bounce.maildir
    assert given is not None  # noqa: S101 - looked at only if it is set
    judge = Judge(Group.MAILBOX, str(given))
    folder = around.settings.path(given) / "new"
    if not folder.is_dir():
        return judge.error(
            "mailbox.no_maildir", "is no Maildir: there is no folder new in it", "correct bounce.maildir"
        )
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return judge.error(
            "mailbox.closed",
            "this user may not read it and take messages out",
            "run this as the user of the service, or give the Maildir to that user (chown -R)",
        )
    return judge.good("mailbox.maildir", "can be read")


def _nobody(return_path: str) -> Finding:
    return Judge(Group.MAILBOX, return_path).note(
        "mailbox.none",
        "nothing here reads what comes back to it",
        "add a [mailbox.NAME], bounce.maildir, bounce.lmtp or a [hook.NAME], unless a pipe calls `syndicate bounces`",
    )
