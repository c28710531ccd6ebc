"""A call of a provider's webhook: found genuine, read, applied event by event, and only then remembered as taken."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from syndicate.config.returns import Hook
from syndicate.core.hooks import genuine, sns
from syndicate.core.hooks.genuine import Seal
from syndicate.core.hooks.providers import READERS
from syndicate.core.hooks.told import read_json, text
from syndicate.errors import HookRefusedError, ReplayedHookError
from syndicate.service.returns import ReturnsResult, take_event
from syndicate.service.wiring import Services
from syndicate.store.hook_calls import keep_call, was_taken

log = logging.getLogger(__name__)


def take_call(services: Services, name: str, headers: Mapping[str, str], body: bytes) -> ReturnsResult:
    """Take a call of ``[hook.NAME]``; ``headers`` in lower case. Raises HookRefusedError, FetchError, StoreError."""
    hook = services.settings.hook[name]
    document = read_json(body)
    seal = _seal(services, hook, headers, body, document)
    with services.database.read() as session:
        if was_taken(session, name, seal.key):
            raise ReplayedHookError("it was taken before")
    result = ReturnsResult()
    if hook.provider == "ses" and text(document, "Type") != sns.NOTIFICATION:
        _confirm(services, name, document)
    else:
        for told in READERS[hook.provider](document):
            take_event(services, told, result)
    with services.database.write() as session:
        keep_call(session, name, seal.key, services.clock())
    log.info("hook %s: %d events, %d applied", name, result.read, sum(result.classes.values()))
    return result


def _seal(services: Services, hook: Hook, headers: Mapping[str, str], body: bytes, document: Any) -> Seal:
    now = services.clock()
    secret = hook.secret.get_secret_value() if hook.secret is not None else ""
    match hook.provider:
        case "ses":
            return sns.verify(document, hook.topic or "", services.sns.certificate, now)
        case "sendgrid":
            return genuine.sendgrid(headers, body, hook.public_key or "", now)
        case "mailgun":
            return genuine.mailgun(document, secret, now)
        case "generic":
            return genuine.generic(headers, body, secret, now)
        case _:
            return genuine.password(headers, body, secret)


def _confirm(services: Services, name: str, document: Any) -> None:
    """Say yes to the subscription of our topic, at an address of Amazon's and nowhere else."""
    if text(document, "Type") != sns.CONFIRMATION:
        log.warning("hook %s: Amazon says that the subscription of its topic ended", name)
        return
    url = text(document, "SubscribeURL")
    if not sns.amazons(url):
        raise HookRefusedError("its SubscribeURL is not at an address of Amazon's")
    services.sns.confirm(url)
    log.info("hook %s: the subscription of its topic is confirmed", name)
