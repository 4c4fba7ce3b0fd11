"""The tasks. A task is a hint to look at the ledger; what it finds there decides what it does."""

from digest import wiring
from digest.hints import DELIVER
from digest.settings import settings
from workers.app import app, postman

# A task ends after so many mails and drops the next hint, so that none runs much longer than a minute.
MAILS_A_TASK = 500


@app.task(name=DELIVER)
def deliver() -> None:
    """Deliver what is due."""
    if postman().deliver_due(MAILS_A_TASK).handled >= MAILS_A_TASK:
        wiring.hint(settings())()
