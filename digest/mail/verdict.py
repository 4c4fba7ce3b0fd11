"""A receipt and what is known of its mail → what the ledger is to say. Pure."""

from datetime import datetime

from digest.mail import flow
from digest.mail.message import Outcome, Receipt
from digest.store.deliveries import State
from digest.store.sending import Answer


def verdict(receipt: Receipt, attempts: int, in_doubt: bool, hold: bool, about_us: bool, dice: float) -> Answer:
    """What the receipt of one attempt means.

    `attempts` before this one; `in_doubt`: an earlier one may have arrived; `hold`: what is in doubt waits for the
    operator; `about_us`: nobody's mail is taken now, so that this refusal says nothing of this one; `dice` in [0, 1).
    """
    later = receipt.at + flow.back_off(attempts + 1, dice)
    match receipt.outcome:
        case Outcome.ACCEPTED:
            return Answer(receipt, State.ACCEPTED)
        case Outcome.REFUSED:
            return Answer(receipt, State.REFUSED)
        case Outcome.UNKNOWN:
            return _doubt(receipt, None if hold else later, counts=True)
        case Outcome.UNBEGUN:
            return _again(receipt, receipt.at, in_doubt, counts=False)
        case Outcome.OURS if about_us or receipt.code is None:
            return _again(receipt, receipt.at + flow.RECONNECT, in_doubt, counts=False)
        case _:
            return _again(receipt, later, in_doubt, counts=True)


def _again(receipt: Receipt, until: datetime, in_doubt: bool, counts: bool) -> Answer:
    # This copy was certainly not accepted; what became of an earlier one is as unknown as before.
    return _doubt(receipt, until, counts) if in_doubt else Answer(receipt, State.QUEUED, until, counts)


def _doubt(receipt: Receipt, until: datetime | None, counts: bool) -> Answer:
    return Answer(receipt, State.UNCERTAIN, until, counts, in_doubt=True)
