"""A receipt and what is known of its mail → what the ledger is to say. Pure."""

from datetime import datetime, timedelta

from digest.ledger.kinds import State
from digest.ledger.sending import DeliveryResult
from digest.smtp.envelope import Outcome, Receipt

_FIRST_WAIT = timedelta(minutes=5)
_MAX_WAIT = timedelta(minutes=66)  # Postfix's maximal_backoff_time, 4000 s
_RECONNECT_WAIT = timedelta(minutes=1)


def back_off(attempts: int, jitter: float) -> timedelta:
    """The wait after the `attempts`-th deferral: 5, 10, 20, … up to 66 minutes, ± 10 % by `jitter` in [0, 1).

    Without the jitter a thousand messages deferred together would come back together.
    """
    wait: timedelta = min(_FIRST_WAIT * (1 << min(attempts - 1, 10)), _MAX_WAIT)
    return wait * (0.9 + 0.2 * jitter)


def next_state(
    receipt: Receipt, attempts: int, in_doubt: bool, hold: bool, about_us: bool, dice: float
) -> DeliveryResult:
    """What the receipt of one attempt means.

    `attempts` before this one; `in_doubt`: an earlier one may have arrived; `hold`: what is in doubt waits for the
    operator; `about_us`: nobody's mail is taken now, so that this refusal says nothing of this one; `dice` in [0, 1).
    """
    later = receipt.at + back_off(attempts + 1, dice)
    match receipt.outcome:
        case Outcome.ACCEPTED:
            return DeliveryResult(receipt, State.ACCEPTED)
        case Outcome.REFUSED:
            return DeliveryResult(receipt, State.REFUSED)
        case Outcome.UNCERTAIN:
            return _doubt(receipt, None if hold else later, counts=True)
        case Outcome.NOT_ATTEMPTED:
            return _again(receipt, receipt.at, in_doubt, counts=False)
        case Outcome.SENDER_ERROR if about_us or receipt.code is None:
            return _again(receipt, receipt.at + _RECONNECT_WAIT, in_doubt, counts=False)
        case _:
            return _again(receipt, later, in_doubt, counts=True)


def _again(receipt: Receipt, until: datetime, in_doubt: bool, counts: bool) -> DeliveryResult:
    # This copy was certainly not accepted; what became of an earlier one is as unknown as before.
    return _doubt(receipt, until, counts) if in_doubt else DeliveryResult(receipt, State.QUEUED, until, counts)


def _doubt(receipt: Receipt, until: datetime | None, counts: bool) -> DeliveryResult:
    return DeliveryResult(receipt, State.UNCERTAIN, until, counts, in_doubt=True)
