"""The Celery tasks. A task is only a hint: the ledger decides what is delivered."""

from digest import wiring
from digest.database.engine import DATABASE_AWAY, outage
from digest.hints import DELIVER
from digest.settings import settings
from workers.app import app, delivery_worker

# A task ends at these limits and drops the next hint, so that a worker can react to a shutdown.
MESSAGES_A_TASK = 5000
SECONDS_A_TASK = 20.0


@app.task(name=DELIVER)
def deliver() -> None:
    """Deliver what is due."""
    try:
        more = delivery_worker().deliver_due(MESSAGES_A_TASK, SECONDS_A_TASK).more
    except DATABASE_AWAY as problem:
        outage.report(problem)  # the next hint tries again
        return
    outage.end()
    if more:
        wiring.hint(settings())()
