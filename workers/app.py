"""The Celery application: hints come in, and each process keeps one postman with its connections."""

import gc

from celery import Celery, signals

from digest import wiring
from digest.hints import QUEUE
from digest.mail.delivery.worker import DeliveryWorker
from digest.settings import settings

# Far above the length of any task, which is a minute: Redis gives a hint out again after this time.
VISIBILITY_SECONDS = 3600

app = Celery("digest", broker=settings().redis_url.get_secret_value(), include=["workers.tasks"])
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
    worker_cancel_long_running_tasks_on_connection_loss=False,  # a mail on the wire is worth more than a hint
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,  # for ever: a worker outlives any outage of Redis
    broker_transport_options={
        "visibility_timeout": VISIBILITY_SECONDS,
        "health_check_interval": 25,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
    },
    timezone="UTC",
    enable_utc=True,
)


class Process:
    """What one worker process keeps open; made on its first task, never shared through a fork."""

    postman: DeliveryWorker | None = None


def postman() -> DeliveryWorker:
    """This process's postman. Raises ValueError when no mail server is set."""
    if Process.postman is None:
        Process.postman = wiring.postman(settings(), wiring.engine(settings()))
        # What is there now stays for good; looking for garbage in it again and again would take a tenth of the time.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000)  # new objects: those of a claim die with it
    return Process.postman


@signals.worker_process_shutdown.connect
def _say_goodbye(**_about: object) -> None:
    if Process.postman is not None:
        Process.postman.close()
