"""Each way to write the address or identifier of a paper names the same paper."""

import pytest

from digest.papers.paper import arxiv_id, paper_id_of


@pytest.mark.parametrize(
    "name",
    [
        "2605.01234", "2605.01234v3", "arXiv:2605.01234", "arXiv:2605.01234v1 [cs.CL] 28 May 2026",
        "https://arxiv.org/abs/2605.01234v2?utm_source=x", "http://www.arxiv.org:80//abs/2605.01234/",
        "arxiv.org/pdf/2605.01234v2.pdf#page=3", "//export.arxiv.org/html/2605.01234", "<https://arxiv.org/abs/2605.01234>.",
        "https%3A%2F%2Farxiv.org%2Fabs%2F2605.01234", "https://doi.org/10.48550/arXiv.2605.01234",
        "doi:10.48550/ARXIV.2605.01234", "10.48550/arxiv.2605.01234", "oai:arXiv.org:2605.01234",
        "https://huggingface.co/papers/2605.01234#comments", "hf.co/papers/2605.01234",
        "https://www.alphaxiv.org/overview/2605.01234v1",
        "ar5iv.labs.arxiv.org/html/2605.01234", "ar5iv.org/abs/2605.01234", "https://scirate.com/arxiv/2605.01234",
        "https://huggingface.co/papers/2605.01234/community", "https://huggingface.co/api/papers/2605.01234",
        "https://www.semanticscholar.org/arxiv/2605.01234", "https://www.emergentmind.com/papers/2605.01234",
        "https://papers.cool/arxiv/2605.01234", "https://www.arxiv-vanity.com/papers/2605.01234/",
        "https://arxiv.org/html/2605.01234v1/index.html", "https://arxiv.org/abs/2605.01234/v2",
        "２６０５．０１２３４", "[2605.01234]", "https://arxiv.org/abs/2605.01234!",
    ],
)  # fmt: skip
def test_every_address_of_a_paper_at_arxiv_is_that_paper(name: str) -> None:
    assert paper_id_of(name) == "2605.01234"


@pytest.mark.parametrize("name", ["math.GT/0309136v1", "https://arxiv.org/abs/math/0309136", "arXiv:MATH/0309136"])
def test_every_way_to_write_an_old_identifier_is_that_paper(name: str) -> None:
    assert paper_id_of(name) == "math/0309136"


@pytest.mark.parametrize(
    "name",
    ["post/1234567", "2026.11281", "12605.01234", "https://evil-arxiv.org/abs/2605.01234", "2605.01234 2605.01235"],
)
def test_what_only_looks_like_a_paper_at_arxiv_is_none(name: str) -> None:
    assert arxiv_id(name) is None


@pytest.mark.parametrize(
    "names",
    [
        ("https://lab.example/p/1", "http://www.lab.example:80/p/1/?utm_source=rss&fbclid=x", "lab.example/p/1",
         "HTTPS://LAB.EXAMPLE/p/1", "//lab.example/p/1?", "https://lab.example./p/1", "https://lab.example/%70/1#",
         "https://lab.example/p/1?utm_source", "https://lab.example/p/1#:~:text=x", "<https://lab.example/p/1>",
         "https://lab.example/p/1?msclkid=1&_hsenc=2&mkt_tok=3", "https://lab.example/p/1;jsessionid=5",
         "https://lab.example/p/1#utm_source=x"),
        ("https://münchen.example/café", "https://xn--mnchen-3ya.example/caf%c3%a9"),
        ("https://lab.example/p?id=1", "lab.example/p?ref=hn&id=1"),
        ("http://10.0.0.5:8080/p/1", "https://10.0.0.5:8080/p/1/?utm_medium=x"),
        ("https://doi.org/10.1145/3292500.3330701", "doi:10.1145/3292500.3330701", "DOI: 10.1145/3292500.3330701",
         "10.1145/3292500.3330701", "http://dx.doi.org/10.1145/3292500.3330701?x=1",
         "https://dl.acm.org/doi/abs/10.1145/3292500.3330701", "https://doi.org/10.1145%2F3292500.3330701",
         "dl.acm.org/doi/pdf/10.1145/3292500.3330701", "<https://doi.org/10.1145/3292500.3330701>.",
         "info:doi/10.1145/3292500.3330701", "urn:doi:10.1145/3292500.3330701"),
        ("10.1007/s00134-020-1", "https://link.springer.com/article/10.1007/S00134-020-1",
         "https://link.springer.com/content/pdf/10.1007/s00134-020-1.pdf"),
        ("10.1101/2026.05.01.123456", "https://www.biorxiv.org/content/10.1101/2026.05.01.123456v1?rss=1",
         "https://www.biorxiv.org/content/10.1101/2026.05.01.123456v2.full.pdf"),
    ],
)  # fmt: skip
def test_every_address_of_a_paper_elsewhere_is_one_paper(names: tuple[str, ...]) -> None:
    assert len({paper_id_of(name) for name in names}) == 1


def test_pages_that_differ_are_different_papers() -> None:
    pages = [
        "https://a.example/p?id=1",
        "https://a.example/p?id=2",
        "https://a.example/p#1",
        "https://b.example/p?id=1",
    ]
    assert len({paper_id_of(page) for page in pages}) == len(pages)


def test_an_address_at_arxiv_or_a_doi_names_a_paper_before_an_identifier_of_the_list() -> None:
    assert paper_id_of("tag:a,1", "https://arxiv.org/abs/2605.01234") == "2605.01234"
    assert paper_id_of("tag:a,1", "https://doi.org/10.1145/1") == paper_id_of("tag:b,7", "10.1145/1")
    assert paper_id_of("tag:a,1", "https://a.example") != paper_id_of("tag:a,2", "https://a.example")
    assert paper_id_of(None, "", 7) is None
