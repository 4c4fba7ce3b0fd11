"""Files of reference managers, as people export them and as somebody hostile would."""

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
