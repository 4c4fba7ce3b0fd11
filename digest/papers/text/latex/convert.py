"""LaTeX in prose and mathematics → readable Unicode text. What is not understood stays, so that nothing is lost."""

import re

from digest.papers.text.latex import symbols as known
from digest.papers.text.latex.commands import COMMANDS, Group, Part, Read
from digest.papers.text.latex.symbols import accented, script, symbol

_NUMBER_OR_NAME = re.compile(r"\w+|[-+]?[\d.,]+")
_DEEPEST = 40
_LONGEST_MATHS = 1500
_NAME = re.compile(r"[A-Za-z]+")
_SPECIAL = re.compile(r"[\\${]")
_ACCENTED = re.compile(r"\{\\?([^\W\d_])\}|\\?([^\W\d_])")
_POSSESSIVE = re.compile(r"(?:s|t|d|m|ll|re|ve)(?![A-Za-z])")  # "don\'t", escaped by a program, is no accent
_SIGNS = {**{c: c for c in "%&#$_{}"}, **dict.fromkeys(" ,;:\\", " "), **dict.fromkeys("!-/@", "")}
_CLOSING = {"(": "\\)", "[": "\\]"}
_GROUPED = known.SWITCHES | known.PLAIN | known.LETTERS.keys() | known.ACCENTS.keys()


def from_latex(text: str) -> str:
    """The text without its LaTeX. Never raises; takes time in proportion to the length."""
    if "\\" not in text and "$" not in text:
        return text
    return _Reader(text).read(0, Part(len(text), 0, maths=False))


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self._closing = _matching_braces(text)

    def read(self, start: int, part: Part) -> str:
        """What [start, part.stop) says."""
        if part.depth > _DEEPEST:
            return self.text[start : part.stop]
        return self._maths(start, part) if part.maths else self._prose(start, part)

    def _prose(self, at: int, part: Part) -> str:
        """Text with commands and islands of mathematics."""
        out = []
        while special := _SPECIAL.search(self.text, at, part.stop):
            out.append(self.text[at : special.start()])
            read = {"\\": self._command, "$": self._dollar, "{": self._braces}[special.group()]
            said, at = read(special.start(), part)
            out.append(said)
        return "".join(out) + self.text[at : part.stop]

    def _maths(self, at: int, part: Part) -> str:
        out = []
        while at < part.stop:
            said, at = self._maths_token(at, part)
            out.append(said)
        return "".join(out)

    def _maths_token(self, at: int, part: Part) -> Read:
        c = self.text[at]
        if c == "\\":
            return self._command(at, part)
        if c in "^_":
            group = self.argument(at + 1, part)
            return (script(self.inside(group, part, maths=True), c), group.then) if group else (c, at + 1)
        if c == "{" and (group := self.group(at, part)):
            return self.inside(group, part, maths=True), group.then
        return " " if c == "~" else c, at + 1

    def _dollar(self, at: int, part: Part) -> Read:
        mark = "$$" if self.text.startswith("$$", at) else "$"
        start = at + len(mark)
        end = _next_dollar(self.text, mark, start, min(part.stop, start + _LONGEST_MATHS))
        after = self.text[end + len(mark) : end + len(mark) + 1]
        if end > start and _is_maths(self.text[start:end], after):
            # Space inside of the dollars shows only where the prose would grow together without it.
            said = self.read(start, part.inner(end, maths=True))
            said = said if self.text[max(0, at - 1) : at].isalnum() else said.lstrip()
            return said if after.isalnum() else said.rstrip(), end + len(mark)
        return mark, start

    def _braces(self, at: int, part: Part) -> Read:
        """Braces around a command only group; others are part of the prose."""
        group = self.group(at, part)
        if group and self.text.startswith("\\", at + 1):
            name = _NAME.match(self.text, at + 2)
            if self.text[at + 2] in known.ACCENTS or (name and name.group() in _GROUPED):
                return self.inside(group, part, maths=False), group.then
        if group and self.text[max(0, at - 1) : at].isalpha() and self.text[group.start : group.stop].isalnum():
            return self.text[group.start : group.stop], group.then  # "Allo{SR}"
        return "{", at + 1

    def _command(self, at: int, part: Part) -> Read:
        name = _NAME.match(self.text, at + 1, part.stop)
        if name:
            return self._named(name.group(), name.end(), part)
        if at + 1 >= part.stop:
            return "\\", at + 1
        sign = self.text[at + 1]
        if sign in _CLOSING:
            end = self.text.find(_CLOSING[sign], at + 2, min(part.stop, at + _LONGEST_MATHS))
            if end > 0:
                return self.read(at + 2, part.inner(end, maths=True)).strip(), end + 2
        if part.maths:
            return "‖" if sign == "|" else _SIGNS.get(sign, sign), at + 2
        if sign in known.ACCENTS:
            return self._accent(sign, at, part)
        return _SIGNS.get(sign, "\\" + sign), at + 2

    def _accent(self, sign: str, at: int, part: Part) -> Read:
        after = at + 2
        if sign == "'" and self.text[max(0, at - 1) : at].isalpha() and _POSSESSIVE.match(self.text, after):
            return "'", after
        found = _ACCENTED.match(self.text, after, part.stop)
        composed = accented(found.group(1) or found.group(2), known.ACCENTS[sign]) if found else None
        return (composed, found.end()) if found and composed else (sign, after)

    def _named(self, name: str, at: int, part: Part) -> Read:
        if self.text.startswith("*{", at):
            at += 1
        if name in COMMANDS:
            return COMMANDS[name](self, name, at, part)
        if name in known.ACCENTS and not part.maths:
            group = self.group(at, part)
            if group:
                return self._accented_group(name, group, part), group.then
        return self.symbol(name, at, part)

    def _accented_group(self, name: str, group: Group, part: Part) -> str:
        inner = self.text[group.start : group.stop]
        letter = inner.removeprefix("\\")
        composed = accented(letter, known.ACCENTS[name]) if len(letter) == 1 else None
        # "\r{ho}" is what a careless program made of "\rho".
        return composed or (symbol(name + inner) if inner.isalpha() else None) or self.inside(group, part, maths=False)

    def symbol(self, name: str, at: int, part: Part) -> Read:
        """A command that stands for a symbol, a word, or nothing that we know: then its name."""
        said = symbol(name)
        if said is None and len(name) == 1 and not part.maths:
            return "\\" + name, at  # a regular expression, an escape sequence
        if self.text.startswith("{}", at):
            at += 2
        elif name in known.LETTERS and self.text.startswith(" ", at) and self.text[at + 1 : at + 2].islower():
            at += 1  # "\o re" is one word
        if said is not None and not (said.isascii() and said.isalpha()):
            return said, at
        return self._spaced(said or name, name, at, part)

    def _spaced(self, word: str, name: str, at: int, part: Part) -> Read:
        """A word for a command, apart from its neighbours: "n\\log n", "\\name{x}"."""
        before = self.text[max(0, at - len(name) - 2) : max(0, at - len(name) - 1)]
        after = self.text[at : at + 2].lstrip("{")[:1]
        left = " " if part.maths and before.isalnum() else ""
        right = " " if after.isalnum() or (part.maths and after == "\\") else ""
        group = self.group(at, part)
        if group is None:
            return left + word + right, at
        return left + word + right + self.inside(group, part, part.maths), group.then

    # Arguments.

    def inside(self, group: Group, part: Part, maths: bool) -> str:
        """What an argument says."""
        return self.read(group.start, part.inner(group.stop, maths))

    def group(self, at: int, part: Part) -> Group | None:
        """The braces at `at`, if they close within the part."""
        stop = self._closing.get(at, part.stop)
        return Group(at + 1, stop, stop + 1) if stop < part.stop else None

    def argument(self, at: int, part: Part) -> Group | None:
        """Braces, a command, or one character, as TeX takes the argument of ^ or \\frac."""
        while at < part.stop and self.text[at] == " ":
            at += 1
        if at >= part.stop or self.text[at] in "}&":
            return None
        if self.text[at] == "{":
            return self.group(at, part)
        if self.text[at] != "\\":
            return Group(at, at + 1, at + 1)
        name = _NAME.match(self.text, at + 1, part.stop)
        stop = name.end() if name else min(at + 2, part.stop)
        if name and name.group() in COMMANDS and (own := self.group(stop, part)):
            stop = own.then  # "x^\text{T}"
        return Group(at, stop, stop)

    def past_option(self, at: int) -> int:
        """Where an optional [argument] at `at` ends."""
        end = self.text.find("]", at, at + 60) if self.text.startswith("[", at) else -1
        return end + 1 if end > 0 else at


def _matching_braces(text: str) -> dict[int, int]:
    closing, open_ones = {}, []
    for found in re.finditer(r"\\.|[{}]", text, re.DOTALL):
        if found.group() == "{":
            open_ones.append(found.start())
        elif found.group() == "}" and open_ones:
            closing[open_ones.pop()] = found.start()
    return closing


def _next_dollar(text: str, mark: str, start: int, stop: int) -> int:
    end = text.find(mark, start, stop)
    while end > 0 and text[end - 1] == "\\":
        end = text.find(mark, end + 1, stop)
    return end


def _is_maths(inside: str, after: str) -> bool:
    """Whether what stands between two dollars is a formula, and not prose between two prices or variables."""
    core = inside.strip()
    if not core:
        return False
    if not any(c.isalnum() for c in core) and " " not in core:
        return True  # "$>$20"
    if _NUMBER_OR_NAME.fullmatch(core) and not inside[-1].isspace() and not after.isalnum():
        return True
    lopsided = inside[0].isspace() != inside[-1].isspace()
    formula = any(c in core for c in "\\^_{")
    words = re.findall(r"(?<![\\A-Za-z{])[A-Za-z]{2,}(?![A-Za-z}])", core)
    if core[0].isdigit() and words and (lopsided or not formula):
        return False
    if after.isdigit() and (lopsided or not formula):
        return False
    if formula:
        return not (lopsided and len(words) > 2)
    longest = max(map(len, words), default=0)
    if inside[0].isspace() and words:
        return False
    return not lopsided and (longest < 4 or " " not in core) and not (after.isalnum() and longest > 3)
