"""LaTeX commands, their arguments and replacements, and the parser that knows them."""

import re
import unicodedata
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from pylatexenc.latexwalker import LatexToken, LatexWalker
from pylatexenc.macrospec import LatexContextDb, MacroSpec, ParsedMacroArgs, SpecialsSpec

from digest.papers.text.latex.symbols import (
    ACCENTS,
    CITED,
    DECORATIONS,
    DRESS,
    DROPPED,
    LETTERS,
    PLAIN,
    SECOND,
    SWITCHES,
    blackboard,
    script,
)

Node = Any  # pylatexenc has no types
_RUN = re.compile(r"[^\\${}^_]+")
_NAME = re.compile(r"[A-Za-z]+|.", re.DOTALL)
_BRACED_COMMAND = re.compile(r"\\([A-Za-z]+)\s*(?=\{)")
_SHORT = re.compile(r"\w+|[\d.,]+")
_BRACES = re.compile(r"(?:(?<=[A-Za-z\]])|(?<=[^\\]\}))\*?(?=\{)")
_LOOSE_BRACES = re.compile(r"\s*\*?(?=\{)")
_TOKEN = re.compile(r"\s*(?:\*(?=\{))?(?![\s}&$]|\\[()\[\]{}]|\\end(?![A-Za-z]))(?=.)")
_SCRIPT = re.compile(r"\s*(?![\s}&$]|\\[()\[\]{}]|\\end(?![A-Za-z]))(?=.)")
_SPACE, _SPACE_IN_WORD = re.compile(" ?"), re.compile("(?: (?=[a-z]))?")
_LETTER = re.compile(r"(?=\{\\?[^\W\d_]\}|[^\W\d_]|\\[^\W\d_](?![A-Za-z]))")
_OPTION = re.compile(r"(?:\[((?:[^]{}$\\]|\\[^])]|\{[^]{}$]*\}){0,58})\](?=\{))?")
_NOTHING, _NEVER = re.compile(""), re.compile("(?!)")
# The pattern of each kind of argument, in prose and in mathematics.
_ARGUMENT = {
    "[": (_OPTION, _OPTION),
    "?": (_BRACES, _BRACES),
    "u": (_BRACES, _BRACES),
    "{": (_LOOSE_BRACES, _TOKEN),
    "m": (_TOKEN, _TOKEN),
    "^": (_NEVER, _SCRIPT),
    "'": (_LETTER, _NEVER),
    " ": (_SPACE, _NOTHING),
    "-": (_SPACE_IN_WORD, _NOTHING),
}


class Command(NamedTuple):
    """A command with its arguments, one character each.

    "[" an option, "?" braces, "u" braces around an address or a key, "m" anything TeX takes: braces, a command or
    a character, "{" braces in prose and whatever TeX takes in mathematics, " " the space that ends the name,
    "-" the same if the word goes on after it.
    """

    arguments: str
    maths: bool | None  # whether the arguments are mathematics; None: like the surrounding text
    render: Callable[..., str | None]  # of the arguments present; None: see the name of the command


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


class _Arguments:
    """Reads the arguments that are present, which may be fewer than the command takes."""

    def __init__(self, kinds: str, maths: bool | None = None) -> None:
        self.kinds, self.maths = kinds, maths

    def parse_args(self, w: LatexWalker, pos: int, parsing_state: Any = None) -> tuple[ParsedMacroArgs, int, int]:
        inner = parsing_state if self.maths is None else parsing_state.sub_context(in_math_mode=self.maths)
        arguments: list[Node | str] = []
        at = pos
        for kind in self.kinds:
            begin = _ARGUMENT[kind][parsing_state.in_math_mode].match(w.s, at)
            if not begin:
                break
            at = begin.end()
            if kind == "[":
                arguments.append(begin[1] or "")
            elif kind not in " -":
                node, start, length = self._argument(w, at, inner)
                arguments.append(w.s[start + 1 : start + length - 1] if kind == "u" else node)
                at = start + length
        return ParsedMacroArgs(arguments), pos, at - pos

    def _argument(self, walker: LatexWalker, at: int, parsing_state: Any) -> tuple[Node, int, int]:
        command = _BRACED_COMMAND.match(walker.s, at)  # "x^\text{T}"
        if not command or command[1] not in COMMANDS:
            return walker.get_latex_expression(at, parsing_state=parsing_state)  # type: ignore[no-any-return]
        (node,), start, length = walker.get_latex_nodes(at, read_max_nodes=1, parsing_state=parsing_state)
        return node, start, length


class _Walker(LatexWalker):  # type: ignore[misc]
    def get_token(self, pos: int, *args: Any, environments: bool = True, **kwargs: Any) -> LatexToken:
        # Only arguments are read with environments=False; everything else may be many characters at once.
        if environments and (run := _RUN.match(self.s, pos)):
            return LatexToken("char", run.group(), pos=pos, len=run.end() - pos, pre_space="")
        token = super().get_token(pos, *args, environments=False, **kwargs)
        if token.tok != "macro":
            return token
        # "\alpha和" ends after its last ASCII letter, and the space after a name may belong to the prose.
        name = _NAME.match(token.arg).group()  # type: ignore[union-attr]
        return LatexToken("macro", name, pos=token.pos, len=1 + len(name), pre_space=token.pre_space)


def _context() -> LatexContextDb:
    macros = [MacroSpec(name, _Arguments(command.arguments, command.maths)) for name, command in COMMANDS.items()]
    macros += [MacroSpec(name, _Arguments("-?")) for name in LETTERS]
    macros += [MacroSpec(name, _Arguments("'")) for name in ACCENTS if not name.isalpha()]
    context = LatexContextDb()
    context.add_context_category("digest", macros, specials=[SpecialsSpec(c, _Arguments("^")) for c in "^_"])
    context.set_unknown_macro_spec(MacroSpec("", _Arguments("?")))
    return context


_CONTEXT = _context()


def parsed(text: str) -> list[Node]:
    """The nodes of a text with balanced braces and mathematics delimiters."""
    nodes: list[Node] = _Walker(text, latex_context=_CONTEXT, tolerant_parsing=False).get_latex_nodes()[0]
    return nodes
