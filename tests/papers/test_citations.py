"""Citations read back, through the libraries, as what they were made from."""

from datetime import UTC, datetime

import bibtexparser
import pytest
import rispy
from bibtexparser.middlewares import LatexDecodingMiddleware, SeparateCoAuthors

from digest.papers.citations import citations
from digest.papers.paper import Paper

AT = datetime(2026, 11, 22, tzinfo=UTC)
TITLES = [
    "Attention {is} all } you { need", r"100% of $x_1^2$ & \alpha ~ #1", "@article{x, title={y}}", '"Quoted" "half',
    "扩散模型 und Überraschungen", "A title\nTY  - JOUR\nER  - ", "\\", "}" * 5,
]  # fmt: skip
AUTHORS = ("Ada Lovelace", "Barnes and Noble", "Team, Research", "李明", "Ludwig van Beethoven", "José {Núñez")


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
    assert [plain(name) for name in fields["author"]] == list(AUTHORS)
    assert (fields["year"], fields["eprint"], fields["doi"]) == ("2026", "2511.00001", "10.48550/arXiv.2511.00001")
    (entry,) = rispy.loads(citations([paper], "ris"))
    assert entry["title"] == " ".join(title.split())
    assert entry["authors"][0] == "Lovelace, Ada"
    assert len(entry["authors"]) == len(AUTHORS)
