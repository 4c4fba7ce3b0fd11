"""The time at which a form was made, signed. A form that comes back at once, or after a week, is shown again."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache

FIELD = "made"
_TOO_FAST = timedelta(seconds=1)  # for a person
_TOO_OLD = timedelta(days=7)
_TEXT = re.compile(r"([0-9a-f]{8,10})-([0-9a-f]{24})")
_IN_PAGE = re.compile(rb'(name="made" value=")[0-9a-f]{8,10}-[0-9a-f]{24}"')


def form_time(key: bytes, now: datetime) -> str:
    """The value of the field FIELD of a form made now."""
    text = f"{int(now.timestamp()):08x}"
    return f"{text}-{_mac(key, text)}"


def is_fit(value: str, keys: Sequence[bytes], now: datetime) -> bool:
    """True if one of `keys` signed the time, and it is neither too fast nor too old."""
    match = _TEXT.fullmatch(value)
    if match is None or not any(hmac.compare_digest(match[2], _mac(key, match[1])) for key in keys):
        return False
    age = now.timestamp() - int(match[1], 16)
    return _TOO_FAST.total_seconds() <= age <= _TOO_OLD.total_seconds()


def without_form_time(page: bytes) -> bytes:
    """A page without the time, which alone does not make it another page."""
    return _IN_PAGE.sub(rb"\1", page)


@lru_cache(maxsize=1_000)  # pages of one second have the same
def _mac(key: bytes, text: str) -> str:
    return hmac.new(key, b"form\0" + text.encode(), hashlib.sha256).hexdigest()[:24]
