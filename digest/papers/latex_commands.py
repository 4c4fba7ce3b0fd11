"""LaTeX commands that take arguments: what they take, and what command and arguments together say."""

import re
import unicodedata
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from digest.papers.latex_symbols import (
    CITED,
    DECORATIONS,
    DRESS,
    DROPPED,
    PLAIN,
    SECOND,
    SWITCHES,
    blackboard,
    script,
)

_SHORT = re.compile(r"\w+|[\d.,]+")


class Command(NamedTuple):
    """A command with its arguments, one character each.

    "[" an option, "?" braces, "u" braces around an address or a key, "m" whatever TeX takes: braces, a command or
    a character, "{" braces in prose and whatever TeX takes in mathematics, " " the space that ends the name.
    """

    arguments: str
    maths: bool | None  # whether the arguments are mathematics; None: as what stands around them
    render: Callable[..., str | None]  # of the arguments that are there; None: the name of the command says it


def _bracketed(text: str) -> str:
    return text.strip() if _SHORT.fullmatch(text.strip()) else f"({text.strip()})"


def _fraction(above: str = "", below: str | None = None) -> str | None:
    return None if below is None else f"{_bracketed(above)}/{_bracketed(below)}"


def _binomial(above: str = "", below: str | None = None) -> str | None:
    return None if below is None else f"({above.strip()} choose {below.strip()})"


def _root(degree: str = "", radicand: str | None = None) -> str:
    return "√" if radicand is None else f"{script(degree, '^')}√{_bracketed(radicand)}"


def _stacked(mark: str, extra: str = "", base: str | None = None) -> str | None:
    return None if base is None else base + script(extra, mark)


def _decorated(name: str, text: str = "") -> str | None:
    text = text.strip()
    if len(text) == 1:
        return unicodedata.normalize("NFC", text + DECORATIONS[name])
    return f"{name}({text})" if text else None


def _linked(address: str = "", shown: str | None = None) -> str:
    shown = address if shown is None else shown.strip()
    return shown if address in shown else f"{shown} ({address})".lstrip()


def _negated(text: str = "") -> str:
    return unicodedata.normalize("NFC", text.strip() + "\u0338") if text.strip() else "not"


COMMANDS: dict[str, Command] = {
    **dict.fromkeys(PLAIN, Command("{", False, lambda text="": text)),
    **dict.fromkeys(DRESS, Command("{", None, lambda text="": text)),
    **dict.fromkeys(DROPPED, Command("?", None, lambda _="": "")),
    **dict.fromkeys(SWITCHES, Command(" ", None, lambda: "")),
    **dict.fromkeys(
        SECOND, Command("[??", None, lambda _="", first="", second=None: first if second is None else second)
    ),
    **dict.fromkeys(CITED, Command("[u", None, lambda _="", key=None: "" if key is None else f"[{key}]")),
    **{name: Command("m", True, partial(_decorated, name)) for name in DECORATIONS},
    **dict.fromkeys(("frac", "tfrac", "dfrac", "nicefrac"), Command("mm", True, _fraction)),
    **dict.fromkeys(("binom", "tbinom", "dbinom"), Command("mm", True, _binomial)),
    **dict.fromkeys(("overset", "stackrel"), Command("mm", True, partial(_stacked, "^"))),
    **dict.fromkeys(("textsuperscript", "sup"), Command("?", False, lambda text="": script(text, "^"))),
    "underset": Command("mm", True, partial(_stacked, "_")),
    "textsubscript": Command("?", False, lambda text="": script(text, "_")),
    "mathbb": Command("m", True, lambda text="": blackboard(text)),
    "footnote": Command("?", False, lambda text="": f" ({text.strip()})" if text else ""),
    "url": Command("u", None, lambda address="": address),
    "href": Command("u?", False, _linked),
    "sqrt": Command("[m", True, _root),
    "pmod": Command("m", True, lambda text="": f" (mod {text.strip()})" if text else " mod "),
    "not": Command("{", None, _negated),
}
