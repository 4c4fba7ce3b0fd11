"""The name of an organisation as people read it, from what an account on a list calls itself. Pure."""

import re

from digest.text import one_line

_UNOFFICIAL = re.compile(
    r"\s*[(\[（【]\s*(?:un[- ]?official|not (?:an? |the )?official|non[- ]?official)[^)\]）】]*[)\]）】]\s*",
    re.IGNORECASE,
)
# The mark of a footnote, or the number of an account that is not the first of its name; "Level 5" and "AI²" are names.
_COUNTED = re.compile(r"\b(University|Institute|College|Academy|Laboratory)[ #_-]*(?:\d{1,2}|[¹²³⁴-⁹])$", re.IGNORECASE)
_FOOTNOTE = re.compile(r"^[¹²³⁴-⁹] *")
_SECOND = re.compile(r"(?<=[^\W\d_]) #?\d{1,2}$")


def organization_name(text: str) -> str:
    """The name without "(NOT OFFICIAL)", stray numbers and blanks. Nothing is added, and no spelling changed."""
    line = one_line(text)
    official = _UNOFFICIAL.sub(" ", line).strip()
    name = official if official == line else _SECOND.sub("", official)
    return _COUNTED.sub(r"\1", _FOOTNOTE.sub("", name)) or line
