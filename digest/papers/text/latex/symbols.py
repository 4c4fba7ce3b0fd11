"""Tables of LaTeX commands: symbols, accents, scripts, and commands that only style their argument."""

import re
import unicodedata
from functools import cache

from pylatexenc.latex2text import get_default_latex_context_db


def words(text: str) -> frozenset[str]:
    """The words of a line, for tables."""
    return frozenset(text.split())


# Commands that only style their argument. The argument of those in PLAIN is prose even within mathematics.
PLAIN = words(
    "text textbf textit textsc textsf textrm texttt textsl textup textmd textnormal emph mbox hbox makebox fbox "
    "underline uline uwave sout st hl gls Gls glspl ac acp acs acl acf title abstract caption centerline "
    "textgreek uppercase lowercase MakeUppercase MakeLowercase enquote"
)
DRESS = words(
    "mathbf mathrm mathit mathsf mathtt mathcal mathscr mathfrak mathnormal boldsymbol bm pmb symbf operatorname "
    "mathop mathbin mathrel mathord smash underbrace overbrace ensuremath substack"
)
SECOND = words("textcolor colorbox foreignlanguage scalebox raisebox hyperlink resizebox")
DROPPED = words(  # with their argument
    "label vspace hspace color begin end footnotemark phantom vphantom hphantom fontsize vskip thanks"
)
CITED = words("cite citep citet citealp citeauthor citeyear ref eqref cref Cref autoref")
SWITCHES = words(
    "bf it em sc rm sf tt sl cal tiny scriptsize footnotesize small normalsize large Large LARGE huge Huge left right "
    "middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr bigm displaystyle textstyle scriptstyle limits nolimits "
    "nonumber notag centering noindent protect boldmath unboldmath bfseries itshape ttfamily normalfont mathstrut "
    "allowbreak nobreak relax hfill rmfamily sffamily scshape upshape"
)
DECORATIONS = {
    "bar": "\u0304", "overline": "\u0305", "hat": "\u0302", "widehat": "\u0302", "tilde": "\u0303",
    "widetilde": "\u0303", "vec": "\u20d7", "dot": "\u0307", "ddot": "\u0308", "check": "\u030c",
    "breve": "\u0306", "acute": "\u0301", "grave": "\u0300", "mathring": "\u030a",
}  # fmt: skip
ACCENTS = dict(
    zip(
        "'`^\"~=.uvHckrdb",
        "\u0301\u0300\u0302\u0308\u0303\u0304\u0307\u0306\u030c\u030b\u0327\u0328\u030a\u0323\u0331",
        strict=True,
    )
)
LETTERS = words("o O l L ss ae AE oe OE aa AA i j dh DH th TH ng")
# Only symbols that pylatexenc does not know, or renders as a less readable character.
_SYMBOLS = {
    **dict.fromkeys(("quad", "qquad", "newline", "par"), " "),
    "epsilon": "ε", "phi": "φ", "prime": "′", "xspace": "", "item": " • ", "S": "§", "P": "¶", "LaTeX": "LaTeX",
    "TeX": "TeX", "degree": "°", "checkmark": "✓", "textgreater": ">", "textless": "<", "eg": "e.g.", "ie": "i.e.",
    "colon": ":", "coloneqq": "≔", "bmod": "mod",
}  # fmt: skip
_BLACKBOARD = str.maketrans("CHNPQRZ", "ℂℍℕℙℚℝℤ")
_ABOVE = dict(
    zip(
        "0123456789+-−=()abcdefghijklmnoprstuvwxyzABDEGHIJKLMNOPRTUVW",
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂ",
        strict=True,
    )
)
_BELOW = dict(zip("0123456789+-−=()aehijklmnoprstuvxβγρφχ", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ", strict=True))
_ALREADY_HIGH = {"*": "*", "∗": "*", "′": "′", "'": "′", "″": "″", "†": "†", "‡": "‡", "°": "°", "∘": "°", "′′": "″"}
_WORD = re.compile(r"[^\W\d_]{3}")
_CONTEXT = get_default_latex_context_db()


@cache
def symbol(name: str) -> str | None:
    """The characters for a command without arguments; None for an unknown command."""
    if name in _SYMBOLS:
        return _SYMBOLS[name]
    meaning = getattr(_CONTEXT.get_macro_spec(name), "simplify_repl", None)
    # Anything longer is not a symbol but layout, or today's date.
    return meaning if isinstance(meaning, str) and 1 <= len(meaning.strip()) <= 2 else None


def script(text: str, mark: str) -> str:
    """A superscript (`mark` "^") or subscript ("_"): Unicode's own where it has one, else `^(…)`.

    Words stay words, because nobody can search for ₘₐₓ.
    """
    text = text.strip()
    if mark == "^" and text in _ALREADY_HIGH:
        return _ALREADY_HIGH[text]
    table = _ABOVE if mark == "^" else _BELOW
    if all(c in table for c in text) and not _WORD.search(text):
        return "".join(table[c] for c in text)
    return f"{mark}{text}" if len(text) == 1 else f"{mark}({text})"


def blackboard(text: str) -> str:
    """ℝ for R, and likewise for other letters that fonts commonly have."""
    return text.translate(_BLACKBOARD) if len(text) == 1 else text


def accented(letter: str, accent: str) -> str | None:
    """A letter with an accent; None if Unicode has no such letter."""
    letter = {"ı": "i", "ȷ": "j"}.get(letter, letter)
    together = unicodedata.normalize("NFC", letter + accent)
    return together if len(letter) == len(together) == 1 else None
