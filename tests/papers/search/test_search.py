"""Search on both databases: what is found, in which order, and that the index follows every change."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, func, select

from digest.database.engine import connect, read_only, transaction
from digest.database.tables import metadata, papers
from digest.papers.paper import Paper, Votes, paper_id_of
from digest.papers.search import (
    Filters,
    index_all,
    paper_words,
    papers_like,
    parse_query,
    search,
    store_similar_papers,
    stored_similar_papers,
)
from digest.papers.search.tokenizer import words_of
from digest.papers.store import keep_papers, keep_votes, withdraw

NOON = datetime(2026, 5, 28, 12, tzinfo=UTC)
SHELF = (
    Paper("2605.00001", "Graph neural networks", "We study message passing.", authors=("Ada Lovelace",)),
    Paper("2605.00002", "Message passing on molecules", "Graph networks predict energies.", authors=("Łukasz Kaiser",)),
    Paper(
        "2605.00003", "Diffusion for images", "Denoising, naïvely.", "Nothing about graphs.", ("Émilie du Châtelet",)
    ),
    Paper("2605.00004", "扩散模型的综述", "A survey in Chinese.", categories=("cs.CV", "stat.ML")),
    Paper("2605.00005", "Vision-language-action models", "Robots that read.", categories=("cs.RO",)),
    Paper("blog:6", "A note on losses", "Biases in GPUs.", organization="Paper Lab"),
)


EVERYTHING = Filters()


def stock(engine: Engine, *listed: Paper, at: datetime = NOON) -> None:
    with transaction(engine) as connection:
        keep_papers(connection, "huggingface", at, listed)


@pytest.fixture
def shelf(engine: Engine) -> Engine:
    stock(engine, *SHELF)
    return engine


def found(engine: Engine, words: str, filters: Filters = EVERYTHING, limit: int = 50) -> list[str]:
    with read_only(engine) as connection:
        results = search(connection, parse_query(words), filters, limit)
    assert results.total >= len(results.hits)
    return [hit.paper.id[-1] for hit in results.hits]


ELSEWHERE = Paper("feeds:8", "Elsewhere", url="http://www.lab.example/p/1/")
BY_DOI = Paper(str(paper_id_of("10.1145/3292500.3330701")), "By its DOI")
AT_ARXIV = Paper("2605.01234", "At arXiv")


@pytest.mark.parametrize(
    ("typed", "paper"),
    [
        ("https://arxiv.org/abs/2605.01234v2?utm_source=x", AT_ARXIV),
        ('"https://arxiv.org/abs/2605.01234"', AT_ARXIV),
        ("huggingface.co/papers/2605.01234", AT_ARXIV),
        ("see https://www.alphaxiv.org/abs/2605.01234v1,", AT_ARXIV),
        ("ar5iv.org/abs/2605.01234", AT_ARXIV),
        ("doi:10.48550/arXiv.2605.01234", AT_ARXIV),
        ("DOI: 10.1145/3292500.3330701", BY_DOI),
        ("https://dl.acm.org/doi/10.1145/3292500.3330701", BY_DOI),
        ("https://lab.example/p/1?utm_source=x", ELSEWHERE),
        ("www.lab.example/p/1/", ELSEWHERE),
        ("feeds:8", ELSEWHERE),
    ],
)
def test_a_paper_is_found_by_each_of_its_addresses(shelf: Engine, typed: str, paper: Paper) -> None:
    stock(shelf, AT_ARXIV, BY_DOI, ELSEWHERE)
    with read_only(shelf) as connection:
        assert [hit.paper.id for hit in search(connection, parse_query(typed), EVERYTHING, 9).hits] == [paper.id]


@pytest.mark.parametrize("category", ["cs", "CS", "cs.*", "cs.cv", "Cs.CV", "ｃｓ．ＣＶ", "math.XX、cs.cv", "math；CS"])
def test_a_category_is_found_however_it_is_written(shelf: Engine, category: str) -> None:
    assert "4" in found(shelf, "", Filters(category))
    assert found(shelf, "", Filters(category.replace("c", "x").replace("C", "X").replace("ｃ", "x"))) == []


@pytest.mark.parametrize("typed", ["cs.cv", "CS.CV", "ｃｓ．ＣＶ", "math.ag, cs.cv"])
def test_a_category_is_found_among_the_words_too(shelf: Engine, typed: str) -> None:
    assert found(shelf, typed) == found(shelf, "", Filters("cs.cv"))
    assert found(shelf, "math.ag") == []


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("graph", "123"),  # title before abstract
        ("GRAPHS", "123"),
        ("message passing", "21"),
        ('"neural networks"', "1"),
        ('"networks neural"', "12"),  # no such phrase: papers with any of its words
        ("graph -message", "3"),
        ("ｇｒａｐｈ　－ｍｅｓｓａｇｅ", "3"),
        ("graph ???", "123"),
        ("message，graph", "12"),
        ("lovelace、networks；graph", "1"),
        ('graph -"message passing"', "3"),
        ("lovelace", "1"),
        ("lukasz", "2"),
        ("KAISER Łukasz", "2"),
        ("emilie chatelet", "3"),
        ("naively", "3"),
        ("molec", "2"),  # the beginning of the last word
        ("扩散", "4"),
        ("扩散模型", "4"),
        ("模", "4"),
        ("述", "4"),
        ("型扩", ""),
        ("vision language", "5"),
        ("language-vision", "5"),
        ("loss bias gpu", "6"),
        ("paper lab", "6"),
        ("2605.00003", "3"),
        ("https://arxiv.org/pdf/2605.00003v2.pdf", "3"),
        ("2605.00003 molecules", "32"),
        ("blog:6", "6"),
        ("2605.99999", ""),
        ("zebra", ""),
        ("zebra molecules", "2"),
    ],
)
def test_words_find_papers(shelf: Engine, words: str, ids: str) -> None:
    assert "".join(found(shelf, words)) == ids


def test_papers_with_some_of_the_words_are_told_from_those_with_all(shelf: Engine) -> None:
    with read_only(shelf) as connection:
        assert search(connection, parse_query("zebra molecules"), Filters(), 9).any_word
        assert not search(connection, parse_query("graph molecules"), Filters(), 9).any_word
        assert not search(connection, parse_query("zebra zulu"), Filters(), 9).any_word


def test_what_is_excluded_never_comes_back_by_the_other_way(shelf: Engine) -> None:
    assert found(shelf, "zebra graph -message") == ["3"]


def test_equally_fitting_papers_stand_by_votes_and_then_by_newness(engine: Engine) -> None:
    same = [Paper(f"2605.0000{n}", "The same words", listed_at=NOON + timedelta(hours=n)) for n in range(4)]
    stock(engine, *same)
    with transaction(engine) as connection:
        keep_votes(connection, [Votes(same[1].id, "huggingface", NOON, 7)])
    assert found(engine, "words") == ["1", "3", "2", "0"]


def test_results_come_in_pages_that_hold_each_paper_once(engine: Engine) -> None:
    stock(engine, *(Paper(f"2605.{n:05}", "Words") for n in range(25)))
    seen = []
    with read_only(engine) as connection:
        for offset in (0, 10, 20, 30):
            results = search(connection, parse_query("words"), Filters(), 10, offset)
            assert results.total == 25
            seen += [hit.paper.id for hit in results.hits]
    assert sorted(seen) == [f"2605.{n:05}" for n in range(25)]


def test_votes_sort_only_some_of_many_equal_papers_and_each_is_still_on_one_page(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digest.papers.search.archive._WINDOW", 5)  # pages of 2: windows of 4
    stock(engine, *(Paper(f"2605.0000{number}", "Graph learning") for number in range(8)))
    with transaction(engine) as connection:
        keep_votes(connection, [Votes(f"2605.0000{number}", "huggingface", NOON, 8 - number) for number in range(8)])
    query = parse_query("graph")
    with read_only(engine) as connection:
        pages = [search(connection, query, EVERYTHING, 2, offset) for offset in range(0, 10, 2)]
    assert ["".join(hit.paper.id[-1] for hit in page.hits) for page in pages] == ["45", "67", "01", "23", ""]
    assert {page.total for page in pages} == {8}


def test_words_that_say_nothing_find_papers_by_votes_alone(engine: Engine) -> None:
    stock(engine, Paper("2605.00001", "This and that"), Paper("2605.00002", "On it", "This is about that."))
    with transaction(engine) as connection:
        keep_votes(connection, [Votes("2605.00002", "huggingface", NOON, 5)])
    assert found(engine, "this that") == ["2", "1"]


def test_filters_keep_categories_and_days(engine: Engine) -> None:
    for n, category in enumerate(("cs.CL", "cs.CV", "csx.CL", "math.AG")):
        stock(engine, Paper(f"2605.0000{n}", "Words", categories=(category,), listed_at=NOON + timedelta(days=n)))
    assert found(engine, "words", Filters("cs.CL")) == ["0"]
    assert found(engine, "words", Filters("cs")) == ["1", "0"]
    assert found(engine, "words", Filters("c%")) == []
    assert found(engine, "words", Filters(since=date(2026, 5, 29), until=date(2026, 5, 30))) == ["2", "1"]
    assert found(engine, "", Filters("math")) == ["3"]


def test_without_a_word_the_newest_come(engine: Engine) -> None:
    for n in range(3):
        stock(engine, Paper(f"2605.0000{n}", f"Words {n}", listed_at=NOON + timedelta(days=n)))
    assert found(engine, "") == ["2", "1", "0"]
    assert found(engine, "-1") == ["2", "0"]


def test_a_changed_paper_is_found_by_its_new_words_only(shelf: Engine) -> None:
    stock(shelf, Paper("2605.00001", "Zebras in the wild", "Nothing else."), at=NOON + timedelta(hours=1))
    assert found(shelf, "zebra") == ["1"]
    assert "1" not in found(shelf, "neural")
    assert found(shelf, "lovelace") == ["1"]


def test_what_another_source_adds_is_found(shelf: Engine) -> None:
    stock(shelf, Paper("2605.00001", "", summary="Also about penguins."), at=NOON + timedelta(hours=1))
    assert found(shelf, "penguin neural") == ["1"]


def test_a_removed_paper_is_not_found(shelf: Engine) -> None:
    with transaction(shelf) as connection:
        connection.execute(delete(papers).where(papers.c.id == "2605.00001"))
    assert "1" not in found(shelf, "graph")
    stock(shelf, SHELF[0])
    assert "1" in found(shelf, "graph")


def test_what_is_rolled_back_is_not_found(shelf: Engine) -> None:
    with shelf.connect() as connection:
        keep_papers(connection, "arxiv", NOON, [Paper("2605.00001", "Penguins"), Paper("2605.7", "Penguins")])
        connection.rollback()
    assert found(shelf, "penguins") == []
    assert "1" in found(shelf, "neural")


def test_an_index_that_was_lost_is_made_again(shelf: Engine) -> None:
    with transaction(shelf) as connection:
        connection.execute(delete(paper_words))
        assert connection.execute(select(func.count()).select_from(paper_words)).scalar() == 0
    assert found(shelf, "graph") == []
    with transaction(shelf) as connection:
        index_all(connection)
    assert found(shelf, "graph") == ["1", "2", "3"]


def test_tables_made_without_migrations_can_be_searched() -> None:
    engine = connect("sqlite://")
    metadata.create_all(engine)
    stock(engine, *SHELF)
    assert found(engine, "molecules") == ["2"]
    engine.dispose()


def test_the_likest_papers_share_what_sets_a_paper_apart(engine: Engine) -> None:
    about = {"1": "quantum error correction codes", "2": "quantum error correction surface codes decoder"}
    about |= {"3": "protein folding", "4": "speech synthesis", "5": "error bars", "6": "protein design"}
    stock(engine, *(Paper(f"2605.0000{n}", title, f"We present {title} here.") for n, title in about.items()))
    with read_only(engine) as connection:
        one = Paper("2605.00001", about["1"], f"We present {about['1']} here.")
        assert [like.id[-1] for like in papers_like(connection, one, 5)] == ["2"]
        assert papers_like(connection, Paper("x:1", "the of and", ""), 5) == []


ALPHABET = st.sampled_from(
    [*" \"'*()-+:^{}[]&|!<>~\\/.,;\0\n%_", "AND", "OR", "NOT", "NEAR(", "graph", "模", "é", "ﬁ", "½"]
)
ANYTHING = st.lists(st.one_of(ALPHABET, st.characters()), max_size=30).map("".join)


def test_a_nul_in_a_query_is_a_blank(shelf: Engine) -> None:
    assert found(shelf, "reader:1\0") == found(shelf, "reader:1")
    assert found(shelf, "graph\0message") == found(shelf, "graph message")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=ANYTHING)
def test_any_text_is_a_query(shelf: Engine, words: str) -> None:
    found(shelf, words)
    found(shelf, f"{words} graph -message")


VOCABULARY = st.sampled_from(
    ["graph", "Graphs", "message", "passing", "networks", "扩散", "molecules", "zebra", "images"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=st.lists(VOCABULARY, max_size=3), without=st.lists(VOCABULARY, min_size=1, max_size=2))
def test_no_paper_with_an_excluded_word_is_found(shelf: Engine, wanted: list[str], without: list[str]) -> None:
    ids = found(shelf, " ".join([*wanted, *(f"-{word}" for word in without)]))
    excluded = {word.text for typed in without for word in list(words_of(typed))[:1]}
    for one in SHELF:
        text = " ".join([one.title, one.abstract, one.summary, *one.authors])
        if excluded & {word.text for word in words_of(text)}:
            assert one.id[-1] not in ids


def test_a_withdrawn_paper_is_neither_found_nor_like_another(engine: Engine) -> None:
    text = "quantum error correction codes"
    others = (
        "protein folding",
        "speech synthesis",
        "error bars",
        "protein design",
        "robot arms",
        "graph cuts",
        "tides",
    )
    twins = [Paper(f"2605.0000{number}", text, f"We present {text}.") for number in (1, 2, 3)]
    stock(engine, *twins, *(Paper(f"2605.0001{n}", title, f"We present {title}.") for n, title in enumerate(others)))
    with transaction(engine) as connection:
        withdraw(connection, "arxiv", ["2605.00003"], NOON)
    assert found(engine, "quantum codes") == ["1", "2"]
    with read_only(engine) as connection:
        assert [like.id for like in papers_like(connection, twins[0], 5)] == ["2605.00002"]


def test_similar_papers_are_stored_for_each_paper_and_a_week_later_again(engine: Engine) -> None:
    pruning = "sparse pruning of weights"
    fillers = [Paper(f"2605.001{number:02}", f"subject{number} alone") for number in range(10)]
    stock(engine, *fillers, *(Paper(f"2605.0000{number}", pruning, f"Part {number}") for number in (1, 2)))

    def similar_to(number: int) -> list[str]:
        with read_only(engine) as connection:
            return [like.id[-1] for like in stored_similar_papers(connection, f"2605.0000{number}", 4)]

    assert similar_to(1) == []
    assert store_similar_papers(engine, NOON) == 12
    assert (similar_to(1), similar_to(2)) == (["2"], ["1"])
    stock(engine, Paper("2605.00003", pruning, "Part 3"))
    assert store_similar_papers(engine, NOON + timedelta(days=7)) == 1
    assert (similar_to(1), similar_to(3)) == (["2"], ["1", "2"])
    assert store_similar_papers(engine, NOON + timedelta(days=7, seconds=1)) == 12
    assert similar_to(1) == ["2", "3"]
    with transaction(engine) as connection:
        withdraw(connection, "huggingface", ["2605.00002"], NOON)
    assert similar_to(1) == ["3"]
