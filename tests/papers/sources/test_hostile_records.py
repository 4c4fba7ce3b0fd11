"""Odd and hostile text from any source: no word and no number is lost, and nothing breaks out of its place."""

import json
import re
import unicodedata
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from digest.papers.sources.arxiv_xml import document
from digest.papers.sources.feeds.feed_json import Item, item_of
from digest.papers.sources.feeds.feed_xml import items
from digest.papers.sources.reading import decoded
from digest.papers.sources.records import as_object
from digest.papers.sources.source import SourceUnavailable
from digest.papers.text.latex.commands import COMMANDS
from digest.papers.text.latex.symbols import ACCENTS, LETTERS, PLAIN, SWITCHES, symbol
from digest.papers.text.plaintext import LONGEST, plaintext

WORD = st.from_regex(r"[A-Za-z]{4,9}", fullmatch=True)
NUMBER = st.from_regex(r"[1-9][0-9]{0,3}(?:\.[0-9]{1,2})?", fullmatch=True)
KNOWN = {*COMMANDS, *ACCENTS, *LETTERS, *PLAIN, *SWITCHES}
UNKNOWN = st.from_regex(r"[A-Za-z]{3,12}", fullmatch=True).filter(lambda name: name not in KNOWN and not symbol(name))
SYMBOLS = {r"\alpha": "α", r"\times": "×", r"\leq": "≤", r"\infty": "∞", r"\mathbb{R}": "ℝ", r"\sim": "∼", r"\sum": "∑"}


def letters_and_digits(text: str) -> str:
    """Superscripts, subscripts and mathematical letters as the plain ones; all else goes."""
    return re.sub(r"[^A-Za-z0-9.]", "", unicodedata.normalize("NFKC", text))


def in_order(pieces: list[str], text: str) -> bool:
    """True if the pieces are in the text, in this order."""
    at = 0
    for piece in pieces:
        start = text.find(piece, at)
        if start < 0:
            return False
        at = start + len(piece)
    return True


# Each kind of piece: how it is written around a word or a number.
PROSE = ["{}", r"\textbf{{{}}}", r"\emph{{{}}}", r"{{\em {}}}", "``{}''", "<i>{}</i>", "({})", r"\cite{{{}}}", "{}:"]
MATHS = [
    "{}",
    r"x^{{{}}}",
    r"y_{{{}}}",
    r"\frac{{{}}}{{n}}",
    r"\sqrt{{{}}}",
    r"\mathrm{{{}}}",
    r"\text{{ {} }}",
    "({})",
]


@given(st.lists(st.tuples(st.sampled_from(PROSE), WORD | NUMBER), min_size=1, max_size=12))
def test_what_stands_in_mark_up_is_all_there_in_its_order(pieces: list[tuple[str, str]]) -> None:
    shown = plaintext(" ".join(how.format(what) for how, what in pieces))
    assert in_order([what for _, what in pieces], shown), shown
    assert not set(shown) & set("\\{}<>"), shown


@given(st.lists(st.tuples(st.sampled_from(MATHS), NUMBER), min_size=1, max_size=6), st.sampled_from(["$", "$$", "\\("]))
def test_mathematics_becomes_characters_and_keeps_its_numbers(pieces: list[tuple[str, str]], mark: str) -> None:
    formula = " + ".join(how.format(what) for how, what in pieces)
    shown = plaintext(f"We reach {mark}{formula}{mark.replace('(', ')')} here")
    assert in_order([letters_and_digits(what) for _, what in pieces], letters_and_digits(shown)), shown
    assert shown.startswith("We reach ")
    assert shown.endswith(" here")
    assert not set(shown) & set("\\{}$"), shown


@given(st.lists(st.sampled_from(sorted(SYMBOLS)), min_size=1, max_size=8))
def test_symbols_become_the_characters_that_they_stand_for(commands: list[str]) -> None:
    shown = plaintext(f"$ {' '.join(commands)} $")
    assert shown.replace(" ", "") == "".join(SYMBOLS[command] for command in commands)


@given(
    UNKNOWN, WORD, WORD, st.sampled_from([r"{0} \{1}{{{2}}} end", r"{0} $\{1}{{{2}}}$ end", r"{0} {{\{1} {2}}} end"])
)
def test_an_unknown_command_keeps_its_name_and_what_it_is_given(name: str, word: str, inside: str, how: str) -> None:
    shown = plaintext(how.format(word, name, inside))
    assert in_order([word, name, inside, "end"], shown), shown
    assert "\\" not in shown


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["id", "url", "title", "abstract", "summary", "authors", "organization", "categories", "keywords"]
FIELDS += ["published_at", "listed_at", "code_url", "project_url", "votes", "comments", "withdrawn"]
HOSTILE = st.sampled_from(
    [
        "</title><script>alert(1)</script>",
        "a\r\nBcc: x@example.org",
        "\x00\x1b[31m",
        "\u202egnp.exe",
        "{{ 7 * 7 }}",
        "%s%n",
        "]]>",
    ]
)


@given(st.dictionaries(st.sampled_from(FIELDS), ANYTHING | HOSTILE | st.just("2605.00001")))
def test_whatever_a_record_holds_it_is_a_paper_of_clean_lines_or_named(record: dict[str, Any]) -> None:
    read = item_of(record)
    if isinstance(read, Item):
        check(read)
    else:
        assert read.startswith("it ")


@given(st.dictionaries(st.text(max_size=9), ANYTHING | HOSTILE, max_size=4))
def test_a_record_is_read_from_its_python_repr_too(record: dict[str, Any]) -> None:
    wanted = json.loads(json.dumps(record))
    if "inf" not in repr(record) and "nan" not in repr(record):
        assert as_object(repr(record)) == wanted


def check(read: Item) -> None:
    paper = read.paper
    assert paper.title or read.withdrawn
    assert len(paper.id) <= 80
    lines = [paper.id, paper.title, paper.abstract, paper.summary, paper.organization, *paper.authors, *paper.keywords]
    for line in lines:
        assert line.isprintable() or not [c for c in line if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
        assert len(line) <= LONGEST * 2
    for url in (paper.url, paper.code_url, paper.project_url):
        assert url == "" or (url.startswith(("http://", "https://")) and not set(url) & set('<>" \n\r'))


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: f"<feed><entry>{text}</entry></feed>".encode()))
def test_whatever_bytes_come_no_reader_of_feeds_breaks(body: bytes) -> None:
    document(body)
    with suppress(SourceUnavailable):
        for read in items(decoded(body)):
            assert isinstance(read, str | Item)


def test_awkward_real_records_are_the_same_paper_through_every_door(shared_data: Path) -> None:
    """As JSON and as Atom, title and abstract say the same, and keep every word that is not inside of mark-up."""
    for line in (shared_data / "arxiv" / "awkward_records.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        as_json = item_of({"id": record["id"], "title": record["title"], "abstract": record["summary"]})
        entry = f"<id>http://arxiv.org/abs/{record['id']}</id><title>{escape(record['title'])}</title>"
        atom = f"<feed><entry>{entry}<summary>{escape(record['summary'])}</summary></entry></feed>"
        (as_atom,) = items(atom)
        (from_arxiv,) = document(atom.encode()).entries
        assert isinstance(as_json, Item)
        assert isinstance(as_atom, Item)
        assert from_arxiv.paper
        papers = as_json.paper, as_atom.paper, from_arxiv.paper
        assert len({(paper.id, paper.title, paper.abstract) for paper in papers}) == 1
        check(as_json)
        bare = re.sub(
            r"\$[^$]*\$|\\[A-Za-z]+|\{[^{}]*\}|\S*\\\S*|https?://\S+|&[a-z]+;|<[^>]*>", " ", record["summary"]
        )
        lost = [word for word in re.findall(r"[^\W\d_]{4,}|\d{2,}", bare) if word not in as_json.paper.abstract]
        assert lost == [], (record["id"], lost)
