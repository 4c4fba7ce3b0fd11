"""Converts LaTeX in prose and mathematics to readable Unicode. Unknown commands stay, so that nothing is lost."""

import re
from typing import NamedTuple

from pylatexenc.latexwalker import (
    LatexCharsNode,
    LatexGroupNode,
    LatexMathNode,
    LatexSpecialsNode,
    LatexWalkerError,
)

from digest.papers.text.latex.commands import COMMANDS, Node, parsed
from digest.papers.text.latex.symbols import ACCENTS, PLAIN, accented, script, symbol

_DEEPEST = 40
_MOST_MARKS = 3000  # of LaTeX in a text; real abstracts have up to 200, and parsing that many takes 0.1 s
_LONGEST_MATHS = 1500
_SYNTAX = re.compile(r"\\[A-Za-z]+|\\.|[\\${}%]", re.DOTALL)
_BACKSLASH = "\\\0"  # our own command; NULs were removed from the text
_LITERAL = {mark: re.sub(r"(.)", r"\\\1", mark) for mark in ("$", "$$", "{", "}", "%")}
_LITERAL |= {f"\\{c}": _BACKSLASH + c for c in ("(", ")", "[", "]", "")}
_CLOSING = {"$": "$", "$$": "$$", "\\(": "\\)", "\\[": "\\]", "{": "}"}
_PROSE_NAME = rf"\\(?:{'|'.join(sorted(PLAIN))})\s*\*?"
_PROSE_COMMAND = re.compile(_PROSE_NAME + "$")
_PROSE = rf"{_PROSE_NAME}\{{(?:[^{{}}$]|\$[^{{}}$]*\$)*\}}"
# Up to its closing mark, past the dollars of "$\mbox{\boldmath $x$}$". No possessive groups: Python 3.11.2 matches them
# wrongly within a capture.
_FORMULA = {
    mark: re.compile(rf"((?:{_PROSE}|(?!{_PROSE})(?:{inside}))*){closing}", re.DOTALL)
    for mark, inside, closing in (
        ("$", r"\\.|[^\\$]", r"\$"),
        ("$$", r"\\.|[^\\$]|\$(?!\$)", r"\$\$"),
        ("\\(", r"\\[^)]|[^\\]", r"\\\)"),
        ("\\[", r"\\[^]]|[^\\]", r"\\\]"),
    )
}
_NUMBER_OR_NAME = re.compile(r"\w+|[-+]?[\d.,]+")
_FOLLOWED = re.compile(r"(?:\*?\\?\{)?[^\W_]"), re.compile(r"(?:\*?\\?\{)?[^\W_]|\\[^{}]")  # in prose, in mathematics
_POSSESSIVE = re.compile(r"(?:s|t|d|m|ll|re|ve)(?![A-Za-z])")  # "don\'t" was escaped by a program; it has no accent
_SIGNS = {**{c: c for c in "%&#$_{}"}, **dict.fromkeys(" ,;:\\", " "), **dict.fromkeys("!-/@", ""), "\0": "\\"}
_UNPAIRED = ("\\(", "\\)", "\\[", "\\]")


def from_latex(text: str) -> str:
    """The text without its LaTeX. Never raises; takes time in proportion to the length."""
    if ("\\" not in text and "$" not in text) or sum(map(text.count, "\\${}^_")) > _MOST_MARKS:
        return text
    try:
        return _text(parsed(_well_formed(text)))
    except LatexWalkerError:
        return text


class _Opened(NamedTuple):
    piece: int
    mark: str
    maths: bool  # whether it contains mathematics
    end: int  # where mathematics closes; braces close at the next "}"


def _well_formed(text: str) -> str:
    """The text with unmatched delimiters escaped, so that all of it can be parsed."""
    pieces: list[str] = []
    opened: list[_Opened] = []
    at = 0
    while token := _SYNTAX.search(text, at):
        start, mark = token.start(), token.group()
        pieces.append(text[at:start])
        closed = next((depth for depth, opening in enumerate(opened) if opening.end == start), None)
        if mark == "}" and opened and opened[-1].mark == "{":
            closed = len(opened) - 1
        if closed is not None:
            pieces[opened[closed].piece] = opened[closed].mark
            mark = _CLOSING[opened[closed].mark]
            del opened[closed:]
            pieces.append(mark)
        else:
            mark = "$$" if text.startswith("$$", start) else mark
            maths = bool(opened) and opened[-1].maths
            if mark in _CLOSING and len(opened) < _DEEPEST and (inside := _opening(text, start, mark, opened)):
                opened.append(_Opened(len(pieces), mark, *inside))
            pieces.append(mark[1] if maths and mark in _UNPAIRED else _LITERAL.get(mark, mark))
        at = start + len(mark)
    return "".join(pieces) + text[at:]


def _opening(text: str, start: int, mark: str, opened: list[_Opened]) -> tuple[bool, int] | None:
    """(is mathematics, its end or -1 for a brace) after an opening mark; None if the mark opens nothing."""
    maths = bool(opened) and opened[-1].maths
    if mark == "{":
        return maths and not _PROSE_COMMAND.search(text[max(0, start - 30) : start]), -1
    begin = start + len(mark)
    stop = begin + _LONGEST_MATHS
    if maths or text.find(_CLOSING[mark], begin, stop) < 0 or not (formula := _FORMULA[mark].match(text, begin, stop)):
        return None
    bare = re.sub(r"\\.", "", formula[1])
    if opened and bare.count("}") > bare.count("{"):
        return None  # the group around it ends first
    after = text[formula.end() : formula.end() + 1]
    return (True, formula.end(1)) if mark[0] == "\\" or _is_maths(formula[1], after) else None


def _is_maths(inside: str, after: str) -> bool:
    """True for a formula between two dollars, False for prose between two prices or variables."""
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


def _text(nodes: list[Node]) -> str:
    return "".join(map(_node_text, nodes))


def _node_text(node: Node) -> str:
    maths = node.parsing_state.in_math_mode
    match node:
        case LatexCharsNode():
            return str(node.chars.replace("~", " ") if maths else node.chars)
        case LatexGroupNode():
            return _group(node)
        case LatexMathNode():
            return _formula(node)
        case LatexSpecialsNode():
            given = _arguments(node)
            return script(given[0], node.specials_chars) if given else str(node.specials_chars)
    return _macro(node) if node.macroname.isascii() and node.macroname.isalpha() else _sign(node)


def _arguments(node: Node) -> list[str]:
    return [_argument(argument) for argument in node.nodeargd.argnlist] if node.nodeargd else []


def _argument(argument: Node | str) -> str:
    if isinstance(argument, str):
        return re.sub(r"\\([%#&_~{}$])", r"\1", argument).strip()
    return _text(argument.nodelist) if isinstance(argument, LatexGroupNode) else _node_text(argument)


def _before(node: Node) -> str:
    return str(node.parsing_state.s[max(0, node.pos - 1) : node.pos])


def _group(group: Node) -> str:
    """Remove braces around a command or in a word, which only group; others are part of the prose."""
    text, before = _text(group.nodelist), _before(group)
    inside = group.parsing_state.s[group.pos + 1 : group.pos + group.len - 1]
    first: str = getattr(group.nodelist[0], "macroname", "") if group.nodelist else ""
    if group.parsing_state.in_math_mode or (before.isalpha() and inside.isalnum()):  # "Allo{SR}"
        return text
    grouping = first in ACCENTS or _is_command(first)
    return text if grouping and (before not in ("^", "_") or text.isalnum() or len(text) == 1) else f"{{{text}}}"


def _is_command(name: str) -> bool:
    """True for the name of a LaTeX command, False for a regular expression ("\\w") or an escape sequence."""
    return name.isalpha() and (len(name) > 1 or symbol(name) is not None)


def _formula(node: Node) -> str:
    # Keep the space inside the delimiters only where the prose would run together without it.
    end = node.pos + node.len
    text, dollars = _text(node.nodelist), node.delimiters[0][0] == "$"
    text = text if dollars and _before(node).isalnum() else text.lstrip()
    return text if dollars and node.parsing_state.s[end : end + 1].isalnum() else text.rstrip()


def _sign(node: Node) -> str:
    sign: str = node.macroname
    given = "".join(_arguments(node))
    if node.parsing_state.in_math_mode:
        return "‖" if sign == "|" else _SIGNS.get(sign, sign)
    if sign not in ACCENTS:
        return _SIGNS.get(sign, "\\" + sign)
    if sign == "'" and _before(node).isalpha() and _POSSESSIVE.match(node.parsing_state.s, node.pos + 2):
        return "'" + given
    return accented(given.removeprefix("\\"), ACCENTS[sign]) or sign + given


def _macro(node: Node) -> str:
    name, maths = node.macroname, node.parsing_state.in_math_mode
    given = _arguments(node)
    text = COMMANDS[name].render(*given) if name in COMMANDS else None
    if text is None and name in ACCENTS and given and not maths:
        # Some program has turned "\rho" into "\r{ho}".
        text = accented(given[0].removeprefix("\\"), ACCENTS[name])
        text = text or (symbol(name + given[0]) if given[0].isalpha() else None) or given[0]
    return _word(node, "".join(given)) if text is None else text


def _word(node: Node, given: str) -> str:
    """A symbol or unknown command, separated from its neighbours: "n\\log n", "\\name{x}"."""
    name, maths = node.macroname, node.parsing_state.in_math_mode
    meaning = symbol(name)
    if meaning is None and len(name) == 1 and not maths:
        return f"\\{name}{{{given}}}" if given else f"\\{name}"  # a regular expression, an escape sequence
    if meaning is not None and not (meaning.isascii() and meaning.isalpha()):
        return meaning + given
    left = " " if maths and _before(node).isalnum() else ""
    right = " " if _FOLLOWED[maths].match(node.parsing_state.s, node.pos + 1 + len(name)) else ""
    return left + (meaning or name) + right + given
