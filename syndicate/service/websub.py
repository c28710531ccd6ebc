"""The WebSub passes: telling hubs of changes at once, the work of our own hub, and asking the hubs of others."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from syndicate.core.websub import PING_AFTER
from syndicate.pipeline.websub.announcing import Announced, announce
from syndicate.pipeline.websub.distributing import distribute
from syndicate.pipeline.websub.following import follow, leave_unwanted
from syndicate.pipeline.websub.pinging import ping_hubs
from syndicate.pipeline.websub.verifying import end_subscriptions, verify
from syndicate.service.wiring import Services
from syndicate.store.feed_calls import forget_calls

log = logging.getLogger(__name__)

_CALLS_KEPT = timedelta(days=1)  # only the time of the last one is of use, and that for seconds


def tell_hubs(services: Services, *, stop: threading.Event, wake: Callable[[], object] = lambda: None) -> None:
    """Owe what follows from changed feeds, and tell the hubs that are configured.

    ``wake`` is called when our own hub has something to distribute.
    """

    def look() -> Announced:
        announced = announce(services.database, services.settings, services.clock())
        if announced.deliveries:
            log.info("hub: %d changed documents go to %d subscribers", announced.topics, announced.deliveries)
            wake()
        return announced

    if look().pings:
        stop.wait(PING_AFTER.total_seconds())
    pinged = ping_hubs(services.database, services.settings, clock=services.clock, stop=stop, news=look)
    if pinged.told:
        log.info("hubs were told of %d changed documents", pinged.told)


def work_as_hub(services: Services, *, stop: threading.Event) -> None:
    """Verify the requests to our own hub that are due, and send its subscribers what they are owed."""
    verify(services.database, services.settings, clock=services.clock, stop=stop)
    distributed = distribute(services.database, services.settings, clock=services.clock, stop=stop)
    if distributed.delivered or distributed.failed:
        log.info("hub: %d deliveries, %d failed", distributed.delivered, distributed.failed)


def ask_hubs(services: Services, *, stop: threading.Event) -> None:
    """Subscribe to feeds of others, renew and unsubscribe at their hubs, as is due."""
    done = follow(services.database, services.settings, clock=services.clock, stop=stop)
    if done.asked:
        log.info("websub: hubs took %d requests of ours", done.asked)


def end_leases(services: Services) -> None:
    """End subscriptions whose lease is over, and those to feeds that our hub no longer distributes."""
    ended = end_subscriptions(services.database, services.settings, services.clock()).ended
    if ended:
        log.info("hub: %d subscriptions ended", ended)


def leave_hubs(services: Services) -> None:
    """Take leave of the hubs of feeds that the configuration no longer names or follows; forget old calls."""
    now = services.clock()
    left = leave_unwanted(services.database, services.settings, now)
    if left:
        log.info("websub: %d feeds are no longer followed", left)
    with services.database.write() as session:
        forget_calls(session, now - _CALLS_KEPT)
