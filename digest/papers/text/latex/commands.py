"""LaTeX commands that take arguments: each says what it stands for, and where reading goes on after it."""

import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple, Protocol

from digest.papers.text.latex import symbols as known
from digest.papers.text.latex.symbols import blackboard, script

_SHORT = re.compile(r"\w+|[\d.,]+")


class Part(NamedTuple):
    """The part of the text that is being read: up to where, how deep inside of groups, and whether it is maths."""

    stop: int
    depth: int
    maths: bool

    def inner(self, stop: int, maths: bool) -> "Part":
        """A part inside of this one."""
        return Part(stop, self.depth + 1, maths)


class Group(NamedTuple):
    """An argument, [start, stop), and where reading goes on after it."""

    start: int
    stop: int
    then: int


Read = tuple[str, int]  # what was read, and where reading goes on


class Reader(Protocol):
    """What a command needs of its reader (papers/text/latex/convert.py)."""

    text: str

    def inside(self, group: Group, part: Part, maths: bool) -> str: ...
    def group(self, at: int, part: Part) -> Group | None: ...
    def argument(self, at: int, part: Part) -> Group | None: ...
    def past_option(self, at: int) -> int: ...
    def symbol(self, name: str, at: int, part: Part) -> Read: ...


Command = Callable[[Reader, str, int, Part], Read]  # its name, and where it ends


def _plain(reader: Reader, _name: str, at: int, part: Part) -> Read:
    group = reader.group(at, part)
    return (reader.inside(group, part, maths=False), group.then) if group else ("", at)


def _dress(reader: Reader, _name: str, at: int, part: Part) -> Read:
    group = reader.argument(at, part) if part.maths else reader.group(at, part)
    return (reader.inside(group, part, part.maths), group.then) if group else ("", at)


def _blackboard(reader: Reader, _name: str, at: int, part: Part) -> Read:
    group = reader.argument(at, part)
    return (blackboard(reader.inside(group, part, maths=True)), group.then) if group else ("", at)


def _nothing(reader: Reader, _name: str, at: int, part: Part) -> Read:
    group = reader.group(at, part)
    return "", group.then if group else at


def _switch(reader: Reader, _name: str, at: int, part: Part) -> Read:
    # "{\em word}": the space only ends the name of the command.
    spaced = not part.maths and reader.text.startswith(" ", at)
    return "", at + 1 if spaced else at


def _second(reader: Reader, name: str, at: int, part: Part) -> Read:
    first = reader.group(reader.past_option(at), part)
    second = reader.group(first.then, part) if first else None
    return (reader.inside(second, part, part.maths), second.then) if second else _plain(reader, name, at, part)


def _cited(reader: Reader, _name: str, at: int, part: Part) -> Read:
    group = reader.group(reader.past_option(at), part)
    return (f"[{reader.text[group.start : group.stop]}]", group.then) if group else ("", at)


def _footnote(reader: Reader, _name: str, at: int, part: Part) -> Read:
    group = reader.group(at, part)
    return (f" ({reader.inside(group, part, maths=False).strip()})", group.then) if group else ("", at)


def _url(reader: Reader, _name: str, at: int, part: Part) -> Read:
    group = reader.group(at, part)
    return (_address(reader, group), group.then) if group else ("", at)


def _href(reader: Reader, name: str, at: int, part: Part) -> Read:
    address = reader.group(at, part)
    shown = reader.group(address.then, part) if address else None
    if not address or not shown:
        return _url(reader, name, at, part)
    said, target = reader.inside(shown, part, maths=False).strip(), _address(reader, address)
    return (said if target in said else f"{said} ({target})".lstrip()), shown.then


def _script(reader: Reader, name: str, at: int, part: Part) -> Read:
    group = reader.group(at, part)
    mark = "_" if name == "textsubscript" else "^"
    return (script(reader.inside(group, part, maths=False), mark), group.then) if group else ("", at)


def _fraction(reader: Reader, name: str, at: int, part: Part) -> Read:
    above = reader.argument(at, part)
    below = reader.argument(above.then, part) if above else None
    if not above or not below:
        return reader.symbol(name, at, part)
    pair = [reader.inside(group, part, maths=True).strip() for group in (above, below)]
    if name in ("binom", "tbinom", "dbinom"):
        return f"({pair[0]} choose {pair[1]})", below.then
    return "/".join(map(_bracketed, pair)), below.then


def _root(reader: Reader, _name: str, at: int, part: Part) -> Read:
    inside = reader.past_option(at)
    group = reader.argument(inside, part)
    if not group:
        return "√", at
    degree = script(reader.text[at + 1 : inside - 1], "^") if inside > at else ""
    return f"{degree}√{_bracketed(reader.inside(group, part, maths=True).strip())}", group.then


def _decorated(reader: Reader, name: str, at: int, part: Part) -> Read:
    group = reader.argument(at, part)
    said = reader.inside(group, part, maths=True).strip() if group else ""
    if not group or not said:
        return reader.symbol(name, at, part)
    if len(said) == 1:
        return unicodedata.normalize("NFC", said + known.DECORATIONS[name]), group.then
    return f"{name}({said})", group.then


def _stacked(reader: Reader, name: str, at: int, part: Part) -> Read:
    extra = reader.argument(at, part)
    base = reader.argument(extra.then, part) if extra else None
    if not extra or not base:
        return reader.symbol(name, at, part)
    mark = "_" if name == "underset" else "^"
    said = reader.inside(base, part, maths=True)
    return said + script(reader.inside(extra, part, maths=True), mark), base.then


def _modulo(reader: Reader, _name: str, at: int, part: Part) -> Read:
    group = reader.argument(at, part)
    return (f" (mod {reader.inside(group, part, maths=True).strip()})", group.then) if group else (" mod ", at)


def _negated(reader: Reader, _name: str, at: int, part: Part) -> Read:
    group = reader.argument(at, part)
    said = reader.inside(group, part, maths=True).strip() if group and part.maths else ""
    return (unicodedata.normalize("NFC", said + "\u0338"), group.then) if group and said else ("not", at)


def _address(reader: Reader, group: Group) -> str:
    return re.sub(r"\\([%#&_~{}])", r"\1", reader.text[group.start : group.stop]).strip()


def _bracketed(text: str) -> str:
    return text if _SHORT.fullmatch(text) else f"({text})"


COMMANDS: dict[str, Command] = {
    **dict.fromkeys(known.PLAIN, _plain),
    **dict.fromkeys(known.DRESS, _dress),
    **dict.fromkeys(known.DROPPED, _nothing),
    **dict.fromkeys(known.SWITCHES, _switch),
    **dict.fromkeys(known.SECOND, _second),
    **dict.fromkeys(known.CITED, _cited),
    **dict.fromkeys(known.DECORATIONS, _decorated),
    **dict.fromkeys(("frac", "tfrac", "dfrac", "nicefrac", "binom", "tbinom", "dbinom"), _fraction),
    **dict.fromkeys(("overset", "underset", "stackrel"), _stacked),
    **dict.fromkeys(("textsuperscript", "textsubscript", "sup"), _script),
    "mathbb": _blackboard,
    "footnote": _footnote,
    "url": _url,
    "href": _href,
    "sqrt": _root,
    "pmod": _modulo,
    "not": _negated,
}
