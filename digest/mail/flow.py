"""How long to wait before the next attempt. Pure."""

from datetime import timedelta

_FIRST = timedelta(minutes=5)
_LONGEST = timedelta(minutes=66)  # Postfix's maximal_backoff_time, 4000 s
RECONNECT = timedelta(minutes=1)


def back_off(attempts: int, dice: float) -> timedelta:
    """The wait after the `attempts`-th "later": 5, 10, 20, … at most 66 minutes, ± 10 % by `dice` in [0, 1).

    Without the jitter a thousand mails deferred together would come back together.
    """
    wait: timedelta = min(_FIRST * (1 << min(attempts - 1, 10)), _LONGEST)
    return wait * (0.9 + 0.2 * dice)
