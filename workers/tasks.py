"""The tasks. A task is a hint to look at the ledger; what it finds there decides what it does."""

from digest import wiring
from digest.hints import DELIVER
from digest.settings import settings
from workers.app import app, postman

# A task ends after so many mails or seconds and drops the next hint, so that a worker is never long without a look
# around.
MAILS_A_TASK = 5000
SECONDS_A_TASK = 20.0


@app.task(name=DELIVER)
def deliver() -> None:
    """Deliver what is due."""
    if postman().deliver_due(MAILS_A_TASK, SECONDS_A_TASK).more:
        wiring.hint(settings())()
