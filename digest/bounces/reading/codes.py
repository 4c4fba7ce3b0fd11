"""Finds the codes in a diagnostic: enhanced ones (RFC 3463) and the replies of SMTP (RFC 5321)."""

import re

_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
_REPLY = re.compile(r"(?<![\d.:/\[-])([245][0-5]\d)(?=[ \t-]|$|[:;,)])")
_LABELLED = re.compile(r"(?:smtp|error|code|said|reason|response)\W{0,4}\s?([45][0-5]\d)\b", re.IGNORECASE)
_VAGUE = re.compile(r"[245]\.(?:0\.0|[1-7]\.0|5\.\d+|3\.\d+|9\.\d+)")  # a class or a protocol error, not a cause


def enhanced(text: str) -> str | None:
    """Return the most exact enhanced code in a diagnostic, the first if there are several."""
    codes = [match[0] for match in _ENHANCED.finditer(text[:4000]) if int(match[2]) <= 7]
    return max(codes, key=exactness, default=None)


def exactness(code: str) -> int:
    """Return 2 for a code with a cause, 1 for a code with only a subject, 0 for a code with only a class."""
    return 0 if code.endswith(".0.0") else 1 if _VAGUE.fullmatch(code) else 2


def reply(text: str) -> str | None:
    """Return the first reply code in a diagnostic."""
    match = _LABELLED.search(text[:4000]) or _REPLY.search(text[:4000])
    return match[1] if match else None
