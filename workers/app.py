"""The Celery application. Each process keeps one delivery worker and its connections."""

import gc
import os
import signal
from contextlib import ExitStack

from celery import Celery, signals
from kombu.transport import TRANSPORT_ALIASES

from digest import wiring
from digest.hints import QUEUE, broker_url
from digest.mail.delivery.worker import DeliveryWorker
from digest.monitoring.heartbeats import Role
from digest.monitoring.threads import threads
from digest.settings import settings
from workers.memory import keep_freed_memory
from workers.rate import WorkRate

# Redis hands out a hint again after this time, so it is far above the length of a task, about a minute.
VISIBILITY_SECONDS = 3600
# Without it, a worker would wait for ever for the answer to an acknowledgement once a firewall has forgotten its
# connection, and read no more hints. (Waiting for the next hint is another matter: Redis answers that each second.)
SILENCE_SECONDS = 10.0

_MAIN = os.getpid()  # of the only process, which does the work itself, or of the parent of several

for scheme in ("redis", "rediss"):
    TRANSPORT_ALIASES[scheme] = "workers.transport:Transport"

app = Celery("digest", broker=broker_url(settings().redis_url.get_secret_value()), include=["workers.tasks"])
app.conf.update(
    task_default_queue=QUEUE,
    task_serializer="json",
    accept_content=["json"],
    result_accept_content=["json"],
    event_serializer="json",
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=False,  # the sweep brings another hint; a task that kills its worker must not come back
    worker_prefetch_multiplier=1,
    worker_cancel_long_running_tasks_on_connection_loss=False,  # a message on the wire matters more than a hint
    worker_send_task_events=False,
    worker_enable_remote_control=False,  # anybody with access to Redis could stop it, or make it wait
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,  # forever: a worker survives any outage of Redis
    broker_transport_options={
        "visibility_timeout": VISIBILITY_SECONDS,
        "health_check_interval": 25,
        "socket_connect_timeout": 5,
        "socket_timeout": SILENCE_SECONDS,
        "socket_keepalive": True,
    },
    timezone="UTC",
    enable_utc=True,
)


class Process:
    """The state of one worker process, created by its first task so that no connection is shared through a fork."""

    worker: DeliveryWorker | None = None
    threads = ExitStack()


def delivery_worker() -> DeliveryWorker:
    """This process's delivery worker. Raises ValueError when no mail server is set."""
    if Process.worker is None:
        Process.worker = wiring.delivery_worker(settings(), wiring.lasting_engine(settings()))
        # The objects that exist now stay alive; scanning them for garbage again and again would take 10 % of the time.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000)  # new objects: most are freed with their claim, without a search
        keep_freed_memory()
    return Process.worker


@signals.setup_logging.connect
def _keep_our_logs(**_about: object) -> None:
    """With a receiver of this signal, Celery leaves the logs as digest/logs.py set them up."""


@signals.worker_process_init.connect
def _begin(**_about: object) -> None:
    if os.getpid() != _MAIN:
        # A service manager signals the whole group. Each process ends when its parent says so, after its task.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for thread in threads(settings(), Role.WORKER, WorkRate(lambda: Process.worker)):
        Process.threads.enter_context(thread)


@signals.worker_shutdown.connect  # of the only process; a parent has nothing to close
@signals.worker_process_shutdown.connect
def _say_goodbye(**_about: object) -> None:
    if Process.worker is not None:
        Process.worker.close()
    Process.threads.close()
