"""Files of reference managers, as people export them and as somebody hostile would."""

import contextlib
import time

import pytest

from digest.papers.paper import paper_id_of
from digest.subscribers.library.entry import EntryProblem
from digest.subscribers.library.reading import MAX_BYTES, UnreadableLibrary, read_library

BIBTEX = r"""
@string{here = "arXiv"}
@article{a, title = {{A {BERT} for B\"acker}}, journal = {arXiv preprint arXiv:2405.17247v2}, year = 2024}
@misc{b, title = "Quantum gravity", eprint = "hep-th/9901001", archivePrefix = here}
@article{b, title = "A second one", doi = {10.1145/123.45}}
@inproceedings{c, title = {Only a title}, abstract = {We do this.}}
@article{broken, title = {never closed
@article{d, title = {After it}, url = {https://huggingface.co/papers/2405.12121}}
"""
RIS = """TY  - JOUR
TI  - A study of robots
AB  - First line
of its abstract
UR  - https://arxiv.org/abs/2405.00001v2
ER  -
"""
CSL = '[{"id": "x", "title": "Three", "DOI": "10.48550/arXiv.2405.00002"}, {"title": "Four"}, 5]'


def test_bibtex_gives_each_entry_once_with_the_number_that_any_of_its_fields_names():
    read = {entry.title: entry.paper_id for entry in read_library(BIBTEX.encode())}
    assert read == {
        "A BERT for Bäcker": "2405.17247",
        "Quantum gravity": "hep-th/9901001",
        "A second one": paper_id_of("https://doi.org/10.1145/123.45"),
        "Only a title": None,
        "After it": "2405.12121",
    }


def test_numbers_pasted_together_with_bibtex_are_entries_and_remarks_between_its_entries_are_not():
    text = (
        "2405.11111 10.1145/123.45\n% Encoding: UTF-8\nhttps://example.org/exported\n"
        "@misc{a, title = {One}, eprint = {2405.17247}}\nMade by a program\n\narXiv:2405.12121v2\n"
    )
    read = [(entry.title, entry.paper_id) for entry in read_library(text.encode())]
    assert read == [
        ("One", "2405.17247"),
        ("", "2405.11111"),
        ("10.1145/123.45", paper_id_of("10.1145/123.45")),
        ("", "2405.12121"),
    ]


def test_ris_and_csl_json_are_recognized_by_their_content():
    (robots,) = read_library(RIS.encode())
    assert (robots.title, robots.paper_id, robots.abstract) == (
        "A study of robots",
        "2405.00001",
        "First line of its abstract",
    )
    assert [(entry.title, entry.paper_id) for entry in read_library(CSL.encode())] == [
        ("Three", "2405.00002"),
        ("Four", None),
    ]


def test_pasted_numbers_addresses_and_titles_are_entries_and_anything_else_says_why_not():
    text = "2405.17247, https://arxiv.org/pdf/2405.11111\nAttention is all you need\nhuh\narXiv:2405.17247v3"
    read = [(entry.title, entry.paper_id, entry.problem) for entry in read_library(text.encode())]
    assert read == [
        ("", "2405.17247", None),
        ("", "2405.11111", None),
        ("Attention is all you need", None, None),
        ("huh", None, EntryProblem.UNREADABLE),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_every_usual_encoding_is_read(encoding):
    (entry,) = read_library("@article{a, title={Über die Größe}}".encode(encoding))
    assert entry.title == "Über die Größe"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\x01\x02" * 10,
        b"[" * 100_000,
        b"@article{k,title={" + b"{" * 300_000,
        b"@a{" * 20_000,
        b"TY  - JOUR\nTI  - a\nER  -\n" * 6_000,
        b"x" * (MAX_BYTES + 1),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(content):
    with pytest.raises(UnreadableLibrary):
        read_library(content)


def test_neither_macros_nor_folded_lines_grow():
    macros = "".join(f"@string{{a{i + 1} = a{i} # a{i}}}\n" for i in range(60))
    began = time.thread_time()
    (entry,) = read_library(f'@string{{a0="xxxxxxxxxx"}}\n{macros}@article{{k,title=a60}}'.encode())
    assert len(entry.title) < 1_000
    (entry,) = read_library(b"TY  - JOUR\nTI  - a\n" + b"more\n" * 200_000 + b"ER  -\n")
    assert len(entry.title) <= 500
    assert time.thread_time() - began < 2


# Each in the dialect of one program, with the marks that its exports are known for.
ZOTERO_BIBTEX = r"""
@misc{vaswani_attention_2017,
	title = {Attention {Is} {All} {You} {Need}},
	url = {http://arxiv.org/abs/1706.03762},
	doi = {10.48550/arXiv.1706.03762},
	abstract = {The dominant models are recurrent. Code: https://example.org/a\_b},
	publisher = {arXiv},
	author = {Vaswani, Ashish and Müller, Jürgen},
	year = {2017},
	note = {arXiv:1706.03762 [cs]},
	file = {Full Text PDF:/home/ada/Zotero/storage/AB/1706.pdf:application/pdf},
}
"""
BETTER_BIBTEX = r"""
@online{mueller2024,
  title = {On the {{Größe}} of \emph{Nodes}},
  author = {Müller, J{\"u}rgen},
  date = {2024-05-01},
  eprint = {2405.11111},
  eprinttype = {arXiv},
  eprintclass = {cs.LG},
  pubstate = {prepublished}
}
"""
MENDELEY_BIBTEX = r"""@article{Ada2019,
abstract = {We study graphs.},
archivePrefix = {arXiv},
arxivId = {1906.00001},
author = {Ada, A. and {van der} Berg, B.},
eprint = {1906.00001},
file = {:C$\backslash$:/Users/ada/Papers/a.pdf:pdf},
mendeley-groups = {Graphs},
title = {{Graphs {\&} their nodes: 100{\%} of them}},
url = {http://arxiv.org/abs/1906.00001},
year = {2019}
}
"""
JABREF_BIBTEX = r"""% Encoding: UTF-8

@Comment{jabref-meta: databaseType:bibtex;}

@String{nips = "Advances in Neural Information Processing Systems"}

@InProceedings{Ada2020,
  author    = {{\'A}da, {\v{Z}}eljka},
  booktitle = nips # { 33},
  title     = {Stra{\ss}en, na{\"\i}ve {\o}re and {\'e}tudes},
  doi       = {10.5555/3495724},
  groups    = {a, b},
  priority  = {prio1},
}

@Comment{jabref-meta: grouping:
0 AllEntriesGroup:;
1 StaticGroup:a\;0\;1\;\;\;\;;
}
"""
PAPERS_BIBTEX = r"""@article{Ada:2021ab,
author = {Ada, A},
title = {{Robots that grasp}},
journal = {arXiv.org},
year = {2021},
eprint = {2101.00001v2},
eprinttype = {arxiv},
volume = {cs.RO},
rating = {0},
uri = {\url{papers3://publication/uuid/0A}}
}
"""
ZOTERO_RIS = """TY  - JOUR
TI  - Graphs and their nodes
AU  - Ada, A.
AB  - We study graphs.
DA  - 2019/06/01/
PY  - 2019
DO  - 10.48550/arXiv.1906.00001
DP  - arXiv.org
PB  - arXiv
UR  - http://arxiv.org/abs/1906.00001
N1  - arXiv:1906.00001 [cs]
ER  -

"""
MENDELEY_RIS = """TY  - GEN
T1  - Robots that grasp
A1  - Ada, A.
Y1  - 2021/01//
UR  - http://arxiv.org/abs/2101.00001
L1  - file:///home/ada/a.pdf
N2  - We study robots.
ER  -
"""
ZOTERO_CSL = """[{"id": "http://zotero.org/users/1/items/AB", "type": "article", "title": "Graphs <i>and</i> nodes",
"note": "arXiv:1906.00001 [cs]", "number": "arXiv:1906.00001", "publisher": "arXiv", "source": "arXiv.org",
"author": [{"family": "Ada", "given": "A."}], "issued": {"date-parts": [["2019", 6, 1]]}}]"""
DIALECTS = {
    "Zotero BibTeX": (ZOTERO_BIBTEX, "Attention Is All You Need", "1706.03762"),
    "Better BibTeX": (BETTER_BIBTEX, "On the Größe of Nodes", "2405.11111"),
    "Mendeley BibTeX": (MENDELEY_BIBTEX, "Graphs & their nodes: 100% of them", "1906.00001"),
    "JabRef": (JABREF_BIBTEX, "Straßen, naïve øre and études", paper_id_of("https://doi.org/10.5555/3495724")),
    "Papers": (PAPERS_BIBTEX, "Robots that grasp", "2101.00001"),
    "Zotero RIS": (ZOTERO_RIS, "Graphs and their nodes", "1906.00001"),
    "Mendeley RIS": (MENDELEY_RIS, "Robots that grasp", "2101.00001"),
    "Zotero CSL": (ZOTERO_CSL, "Graphs and nodes", "1906.00001"),
}


@pytest.mark.parametrize("windows", [False, True], ids=["lf", "crlf"])
@pytest.mark.parametrize("program", DIALECTS)
def test_each_programs_export_is_read(program, windows):
    text, title, paper_id = DIALECTS[program]
    content = text.replace("\n", "\r\n").encode("utf-8-sig") if windows else text.encode()
    assert [(entry.title, entry.paper_id) for entry in read_library(content)] == [(title, paper_id)]


@pytest.mark.parametrize(
    "content",
    [
        b"".join(b"@article{k%d, title={A study of subject%d}}\n" % (n, n) for n in range(10_000)),
        b"@article{k, title={" + b"{" * 1_000_000 + b"x" + b"}" * 1_000_000 + b"}}",
        b"@article{k, title={" + b"x" * 4_900_000 + b"}}",
        b"@article{k, " + b"a={b}," * 600_000 + b"title={A title}}",
        b"@article{k, title={A title}, note={" + b"\\'{" * 500_000 + b"}" * 500_000 + b"}}",
        b'[{"title": "' + b"\\\\'{" * 900_000 + b'"}]',
    ],
    ids=["10,000 entries", "deep braces", "one huge field", "many fields", "nested accents", "JSON"],
)
def test_a_hostile_file_takes_bounded_time(content):
    began = time.thread_time()
    with contextlib.suppress(UnreadableLibrary):
        assert all(len(entry.title) <= 500 for entry in read_library(content))
    assert time.thread_time() - began < 10
