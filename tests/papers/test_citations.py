"""Citations read back, through the libraries, as what they were made from."""

from datetime import UTC, datetime

import bibtexparser
import pytest
import rispy
from bibtexparser.middlewares import LatexDecodingMiddleware, SeparateCoAuthors

from digest.papers.citations import author_tags, citations
from digest.papers.paper import Paper

AT = datetime(2026, 11, 22, tzinfo=UTC)
TITLES = [
    "Attention {is} all } you { need", r"100% of $x_1^2$ & \alpha ~ #1", "@article{x, title={y}}", '"Quoted" "half',
    "扩散模型 und Überraschungen", "A title\nTY  - JOUR\nER  - ", "\\", "}" * 5,
]  # fmt: skip
AUTHORS = ("Ada Lovelace", "Barnes and Noble", "Team, Research", "李明", "Ludwig van Beethoven", "José {Núñez")
WRITTEN = ["Lovelace, Ada", "Barnes and Noble", "Team, Research", "李明", "van Beethoven, Ludwig", "José {Núñez"]


_BRACES = {"\\textbraceleft{}": "⟪", "\\textbraceright{}": "⟫"}  # which the library's decoder drops


def plain(value: str) -> str:
    text = value[1:-1] if value.startswith("{") and value.endswith("}") else value
    return text.replace("⟪", "{").replace("⟫", "}").replace("ˆ", "^")


@pytest.mark.parametrize("title", TITLES)
def test_a_paper_reads_back_from_bibtex_and_ris(title: str) -> None:
    paper = Paper("2511.00001", title, authors=AUTHORS, categories=("cs.CL",), published_at=AT)
    text = citations([paper, Paper("hep-th/9901001", title), Paper("feeds:a_b c", title)], "bib")
    for command, sign in _BRACES.items():
        text = text.replace(command, sign)
    library = bibtexparser.parse_string(text, append_middleware=[SeparateCoAuthors(), LatexDecodingMiddleware()])
    assert not library.failed_blocks
    keys = [entry.key for entry in library.entries]
    assert keys == ["arXiv:2511.00001", "arXiv:hep-th/9901001", "feeds:a_5fb_20c"]
    fields = {name: field.value for name, field in library.entries[0].fields_dict.items()}
    assert plain(fields["title"]).replace(" ", "") == "".join(title.split())
    assert [plain(name) for name in fields["author"]] == WRITTEN
    assert (fields["year"], fields["eprint"], fields["doi"]) == ("2026", "2511.00001", "10.48550/arXiv.2511.00001")
    (entry,) = rispy.loads(citations([paper], "ris"))
    assert entry["title"] == " ".join(title.split())
    assert entry["authors"] == WRITTEN


# As Zotero's translators read them: BibTeX.js, RIS.js and Embedded Metadata.js.
NAMES = {
    "Ludwig van Beethoven": ("van Beethoven, Ludwig", "van Beethoven, Ludwig"),
    "Hal Daumé III": ("Daumé, III, Hal", "Daumé, Hal, III"),
    "Antonio Laverghetta Jr.": ("Laverghetta, Jr., Antonio", "Laverghetta, Antonio, Jr."),
    "Kimi Team": ("{Kimi Team}", "Kimi Team"),
    "Barnes and Noble": ("{Barnes and Noble}", "Barnes and Noble"),
    "NVIDIA": ("NVIDIA", "NVIDIA"),
    "李明": ("李明", "李明"),
    "山田 太郎": ("山田, 太郎", "山田, 太郎"),
    "Lovelace, Ada": ("Lovelace, Ada", "Lovelace, Ada"),
    "José {Núñez": (r"{José \textbraceleft{}Núñez}", "José {Núñez"),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_keep_what_belongs_together(name: str) -> None:
    paper, (in_bibtex, in_ris) = Paper("2511.00001", "A title", authors=(name,)), NAMES[name]
    assert f"\tauthor = {{{in_bibtex}}},\n" in citations([paper], "bib")
    assert f"AU  - {in_ris}\n" in citations([paper], "ris")


def test_meta_tags_name_families_first_unless_one_name_would_read_as_two() -> None:
    assert author_tags(["Hal Daumé III", "Kimi Team", "Jean Paul de Melo"]) == [
        "Daumé, Hal III", "Kimi Team", "de Melo, Jean Paul"
    ]  # fmt: skip
    assert author_tags(["Ludwig van Beethoven"]) == ["van Beethoven, Ludwig"]
    assert author_tags(["Jean Paul de Melo"]) == ["Jean Paul de Melo"]


def test_every_field_is_one_that_reference_managers_know() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    ours = Paper("2511.00001", "Sets {a, b} of 50%", categories=("cs.CL",), published_at=at, abstract="It costs $5.")
    assert citations([ours], "bib").splitlines() == [
        "@misc{arXiv:2511.00001,",
        "\ttitle = {{Sets \\{a, b\\} of 50\\%}},",
        "\tyear = {2026},",
        "\teprint = {2511.00001},",
        "\tarchiveprefix = {arXiv},",
        "\teprinttype = {arxiv},",
        "\tprimaryclass = {cs.CL},",
        "\tdoi = {10.48550/arXiv.2511.00001},",
        "\turl = {https://arxiv.org/abs/2511.00001},",
        "\tabstract = {It costs \\$5.},",
        "\tmonth = mar",
        "}",
    ]
    lines = ("TY  - UNPB", "TI  - Sets {a, b} of 50%", "PY  - 2026", "DA  - 2026/03/01", "AB  - It costs $5.")
    more = ("DO  - 10.48550/arXiv.2511.00001", "UR  - https://arxiv.org/abs/2511.00001", "ER  - ")
    assert citations([ours, ours], "ris").split("\n") == [*lines, *more, "", *lines, *more, ""]


def test_addresses_stay_as_they_are() -> None:
    text = citations([Paper("feeds:1", "A", url="https://doi.org/10.1/a_b")], "bib")
    assert "\tdoi = {10.1/a_b},\n\turl = {https://doi.org/10.1/a_b}" in text
    assert "url = {https://example.org/%7Eada/%7Bx%7D}" in citations(
        [Paper("feeds:1", "A", url="https://example.org/~ada/{x}")], "bib"
    )
