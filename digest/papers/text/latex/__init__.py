"""LaTeX to readable text."""

from digest.papers.text.latex.convert import from_latex
from digest.papers.text.latex.symbols import script, words

__all__ = ["from_latex", "script", "words"]
