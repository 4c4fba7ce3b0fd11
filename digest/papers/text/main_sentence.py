"""Finds the sentence of an abstract that says what the paper does. Pure.

Each sentence gets points for what authors write there ("we introduce …", "this paper studies …", the name in the
title), and loses some for background, experiments and promises of code. A table holds the points.
"""

import re
from functools import lru_cache
from typing import NamedTuple

_END = re.compile(r"[.!?…]+[\"”’)\]]*(?=\s+[\"“‘(\[]?[^\sa-z])")
# A full stop after one of these ends no sentence; nor does one after an initial.
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|resp|approx|al|Figs?|Eqs?|Secs?|Tab|Refs?|Thm|Def|Prop|Lem|Alg|App|Ch|Nos?|Vol|pp|Drs?|Mrs?|"
    r"Ms|Prof|St|Inc|Ltd|Corp|Co|w\.r\.t|a\.k\.a|i\.i\.d|s\.t|ca|viz|incl|Univ)|(?<![^\W_])(?-i:[A-Z]))\.$",
    re.IGNORECASE,
)  # fmt: skip

_ADVERB = r"(?:\w+ly |then |also |first |therefore |thus |hence |further |here |next |instead |both |jointly )*"
_MAKE = (
    r"(?:introduc\w+|propos\w+|present\w*|develop\w*|design\w*|buil[dt]\w*|construct\w*|creat\w+|devis\w+|formulat\w+|"
    r"releas\w+|describ\w+|offer\w*|contribut\w+|establish\w*|advanc\w+|pioneer\w*|report\w*|craft\w*|invent\w*|"
    r"provid\w+|deriv\w+|formali[sz]\w+|curat\w+|collect\w*|unif(?:y|ies)|argu\w+|adapt\w*|extend\w*|generali[sz]\w+|"
    r"implement\w*|integrat\w+|adopt\w*|revisit\w*|rethink\w*|reformulat\w+|outlin\w+|put forward|enabl\w+|suggest\w*|"
    r"fine-tun\w+|tackl\w+|tak\w+|bridg\w+|fill\w*|simulat\w+)\b"
)
_STUDY = (
    r"(?:stud(?:y|ies)|investigat\w+|examin\w+|explor\w+|analy[sz]\w+|assess\w*|address\w*|ask\w*|consider\w*|survey\w*|"
    r"characteri[sz]\w+|review\w*|compar\w+|quantif\w+|evaluat\w+|benchmark\w*|identif\w+|conduct\w*|aim\w*|focus\w*|"
    r"seek\w*|discuss\w*|measur\w+|test\w*|systemati[sz]\w+|audit\w*|model\w*|apply|applies|leverag\w+|use|uses|employ\w*|"
    r"perform\w*|train\w*|look\w*|trac\w+|prob\w+|recast\w*|frame\w*|view\w*|cast\w*|treat\w*|deal\w*|highlight\w*)\b"
)
_FIND = (
    r"(?:show\w*|find\w*|demonstrat\w+|prov\w+|reveal\w*|observ\w+|discover\w*|uncover\w*|obtain\w*|improv\w+|achiev\w+|"
    r"determin\w+|solv\w+|challeng\w+|resolv\w+|complet\w+|giv\w+|exhibit\w*)\b"
)
_WORK = (
    r"(?:paper|work|article|study|thesis|report|survey|chapter|tutorial|review|note|manuscript|research|dissertation|"
    r"essay|letter|overview|challenge|contribution|dataset|project)"
)
_OURS = (
    rf"(?:this (?:\w+[ -]){{0,2}}{_WORK}|the (?:(?:present|current|proposed) )?(?:paper|work|article|study)|"
    rf"our {_WORK}|the authors?)"
)
_THING = (
    r"(?:framework|method|models?|approach|system|benchmark|dataset|algorithm|pipeline|architecture|library|toolkit|tool|"
    r"suite|agent|technique|scheme|strategy|paradigm|corpus|platform|mechanism|module|formulation|protocol|network|family|"
    r"solution|metric|theory|environment|engine|procedure|objective|loss|collection|study|survey|extension|package)\b"
)


class _Cue(NamedTuple):
    points: float
    pattern: re.Pattern[str]  # of a sentence in lower case


def _cue(points: float, pattern: str) -> _Cue:
    return _Cue(points, re.compile(pattern))


_CUES = (  # the first that is found counts
    _cue(6, rf"\b(?:we|i) {_ADVERB}{_MAKE}"),
    _cue(6, rf"\b{_OURS} {_ADVERB}(?:{_MAKE}|{_STUDY}|{_FIND})"),
    _cue(6, r"\b(?:we|i)\b[^.;]{0,200} and (?:introduce|propose|present|develop)\b"),
    _cue(5, rf"\b(?:we|i) {_ADVERB}{_STUDY}"),
    _cue(5, rf"\b(?:is|are|was|were) {_ADVERB}(?:introduced|proposed|presented|developed|designed|studied|described|"
            r"investigated|examined|explored|analy[sz]ed|established|considered|discussed)\b"),
    _cue(4, rf"\b(?:we|i) {_ADVERB}{_FIND}"),
    _cue(3, rf"\bwe \w+|\b(?:a|an|the first)\b(?: [\w-]+){{0,8}} {_THING}"),
)  # fmt: skip
_MORE_CUES = (  # each that is found counts
    _cue(1, rf"\b(?:in|for|with|through) this (?:\w+[ -]){{0,2}}{_WORK}\b|^here\b"),
    _cue(-5, r"^(?:extensive |comprehensive |our )*(?:\w+ )?(?:experiments?|evaluations?|results?|simulations?)\b"),
    _cue(-4, r"\b(?:code|data|dataset|models?|demo)\b[^.]{0,90} (?:available|released|open-sourced)\b|https?://"),
    _cue(-3, r"\?$|^(?:finally|furthermore|moreover|additionally|in addition|also|then|second|third|lastly)\b"),
    _cue(-2, r"^(?:however|yet|but|while|although|despite|existing|recent|current|prior|previous|traditional)\b"),
    _cue(-2, r"\b(?:argue|observe|find|hypothesi[sz]e|show|believe) that (?:this|these|such|it|they)\b"),
    _cue(-2, r"\bvariants?\b|\bthe same (?:idea|principle)\b|\bour (?:\w+ )?(?:findings|work|results)\b"),
    _cue(-2, r"\b(?:outperform|state-of-the-art|surpass)"),
)  # fmt: skip
_NAMED = 4  # the sentence says something of the name that comes before the colon of the title
_ALIKE = 3  # all words of the title are in it
_LATE = 0.2  # less for each sentence before
_LEAST = 2  # points; below that no sentence is chosen
_LONGEST_NAME = 40
_LONGEST = 230  # characters of a sentence; a longer one begins at "we propose" if it can
_SHORTEST = 90  # a shorter one is followed by the next

_SAYS = re.compile(rf"\b(?:is|are) (?:an?|the)\b|\b(?:an?|we|i)\b|\bthis {_WORK}\b")
_WORD = re.compile(r"[^\W\d_]{4,}")
_CLAIM = re.compile(rf"[,;:] (?:{_OURS}|we|I) {_ADVERB}(?:{_MAKE}|{_STUDY}|{_FIND})", re.IGNORECASE)
# An opening before "we" that refers to an earlier sentence or to the paper, such as "To address these gaps,".
_LABEL = re.compile(r"^(?:methods?|objectives?|aims?|purpose|approach|results?)(?: [\w ]{1,20})?: ", re.IGNORECASE)
_OPENER = re.compile(
    r"^(?:here|then|next|first(?:ly)?|second(?:ly)?|finally|thus|hence|however|therefore|accordingly|consequently|"
    r"specifically|instead|moreover|furthermore|additionally|to (?:this|that) end|to do so|as a \w+|"
    rf"in (?:response|particular|contrast|addition)|(?:in|for|with|through) (?:this|our) (?:\w+[ -]){{0,2}}{_WORK})"
    r"(?:,(?: here| therefore| then| in this (?:paper|work|study),)? | (?=(?:we|I)\b))",
    re.IGNORECASE,
)
_REFERRING = re.compile(
    r"^(?:to|motivated|inspired|driven|building|based|guided|given|in|for|with|through|by)\b[^,;:]*"
    rf"\b(?:this|these|those|such|both|them)\b[^;:]{{0,120}}?, (?=(?:we|I|{_OURS})\b)",
    re.IGNORECASE,
)


def sentences(text: str) -> list[str]:
    """The sentences of one line of text; "et al.", "Fig. 2" and "0.5" end none."""
    parts, start = [], 0
    for end in _END.finditer(text):
        part = text[start : end.end()]
        if not _ABBREVIATION.search(part[-12:]):
            parts.append(part.strip())
            start = end.end()
    return [part for part in (*parts, text[start:].strip()) if part]


@lru_cache(maxsize=4_096)
def main_sentence(title: str, abstract: str) -> str:
    """The sentence that says what the paper does, with the next one if it is short; without any, the whole abstract.

    It begins without words that refer to what came before, such as "To this end,".
    """
    parts, wanted = sentences(abstract), _Title(title)
    scores = [_score(part.lower(), wanted) - _LATE * number for number, part in enumerate(parts)]
    if max(scores, default=0) < _LEAST:
        return abstract
    best = scores.index(max(scores))
    chosen = _from_its_claim(_without_opener(parts[best]))
    return " ".join([chosen, *parts[best + 1 : best + 2]]) if len(chosen) < _SHORTEST else chosen


class _Title:
    """The words of a title that a sentence is searched for."""

    def __init__(self, title: str) -> None:
        name, colon, _ = title.lower().partition(":")
        self.name = name if colon and len(name) <= _LONGEST_NAME else ""
        self.stems = _stems(title.lower())


def _stems(text: str) -> set[str]:
    return {word[:6] for word in _WORD.findall(text)}


def _score(sentence: str, title: _Title) -> float:
    score = next((cue.points for cue in _CUES if cue.pattern.search(sentence)), 0.0)
    if title.name and title.name in sentence and _SAYS.search(sentence):
        score += _NAMED
    if not score:
        return 0.0
    score += sum(cue.points for cue in _MORE_CUES if cue.pattern.search(sentence))
    return score + _ALIKE * len(title.stems & _stems(sentence)) / max(len(title.stems), 1)


def _without_opener(sentence: str) -> str:
    rest = _REFERRING.sub("", _OPENER.sub("", _LABEL.sub("", sentence)))
    return _capitalised(rest) if rest != sentence else sentence


def _capitalised(text: str) -> str:
    first = text.split(" ", 1)[0]
    return text[:1].upper() + text[1:] if first.islower() and first.isalpha() else text  # not "mT5" or "k-means"


def _from_its_claim(sentence: str) -> str:
    """A long sentence from its "we propose" on, which would be cut off."""
    claim = _CLAIM.search(sentence) if len(sentence) > _LONGEST else None
    return _capitalised(sentence[claim.start() + 2 :]) if claim and claim.start() > _LONGEST // 4 else sentence
