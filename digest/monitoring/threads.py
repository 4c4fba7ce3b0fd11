"""The background threads of each process of the service."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from digest.monitoring.alarms.watch import WatchThread
from digest.monitoring.heartbeats import HeartbeatThread, Role
from digest.monitoring.webhooks.sender import WebhookThread
from digest.settings import Settings


def threads(
    settings: Settings, role: Role, detail: Callable[[], dict[str, Any]] = dict
) -> tuple[AbstractContextManager[Any], ...]:
    """Threads that beat, raise alarms and send webhooks while their blocks last. Start them after a fork.

    `detail`: what to write with each beat.
    """
    watch = WatchThread(settings, role, pings=role is Role.SCHEDULER)
    beat = HeartbeatThread(settings, role, lambda: detail() | watch.detail())
    return beat, watch, WebhookThread(settings, role)
