"""The pictures that other sites show for a link to a paper or an issue."""

import re
from io import BytesIO

import pytest
from PIL import Image

from digest.web.public.card_image import HEIGHT, WIDTH, card_image
from tests.web.conftest import START, Visit
from tests.web.public.test_archive import cut, paper, store


def opened(png: bytes) -> Image.Image:
    image = Image.open(BytesIO(png))
    image.load()
    assert (image.format, image.size) == ("PNG", (WIDTH, HEIGHT))
    return image


def test_the_page_of_a_paper_and_of_an_issue_names_its_picture(visit: Visit) -> None:
    store(visit, paper(1))
    cut(visit, [paper(1)])
    cut(visit, [paper(1)], kind="weekly")
    for path in ("/papers/2511.00001", "/issues/2026-11-23", "/issues/2026-11-23/weekly"):
        head = visit.browser.get(path).text
        (picture,) = re.findall(r'<meta property="og:image" content="http://127.0.0.1:8000([^"]+)">', head)
        assert 'name="twitter:card" content="summary_large_image"' in head
        answer = visit.browser.get(picture)
        assert answer.headers["content-type"] == "image/png"
        assert len(opened(answer.content).getcolors() or ()) > 10
        known = {"If-None-Match": answer.headers["etag"]}
        assert visit.browser.get(picture, headers=known).status_code == 304


def test_a_rank_is_in_the_picture_only_if_somebody_voted(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = []
    monkeypatch.setattr("digest.web.public.link_pictures.card_image", lambda *texts: lines.append(texts[2]) or b"")
    for number, votes in ((1, 10), (2, 0)):
        store(visit, paper(number))
        cut(visit, [paper(number)], kind="daily", votes=votes, day=START.date().replace(day=number))
        visit.browser.get(f"/papers/2511.0000{number}/card.png")
    assert lines == [f"No. 1 of 1, 1 {START:%B %Y}", "22 November 2026"]


@pytest.mark.parametrize("path", ["/papers/2511.99999/card.png", "/issues/2026-11-20/card.png", "/issues/x/card.png"])
def test_what_is_unknown_has_no_picture(visit: Visit, path: str) -> None:
    assert visit.browser.get(path).status_code == 404


@pytest.mark.parametrize("title", ["注意力就是一切", "A title with 注", "Smile 🙂", "\u202e\u200b", "", "ℝ\U000f0000"])
def test_a_title_that_the_typefaces_cannot_write_gives_way_to_the_name_of_the_site(title: str) -> None:
    assert card_image("Digest", title, "today") == card_image("Digest", "\uffff", "today")
    assert card_image("Digest", title, "today") != card_image("Digest", "Another", "today")


@pytest.mark.parametrize("title", ["x" * 9000, "word " * 900, "a\u0000b\u202ec", "<b>&amp;{{ 7 }}", "W" * 40 + " end"])
def test_no_title_leaves_its_place(title: str) -> None:
    image = opened(card_image("Digest", title, "")).convert("L")
    paper_white = image.getpixel((0, 0))
    for margin in ((0, 0, 79, HEIGHT), (WIDTH - 79, 0, WIDTH, HEIGHT), (0, 500, WIDTH, HEIGHT)):
        assert image.crop(margin).getextrema() == (paper_white, paper_white)
    assert image.crop((80, 190, WIDTH - 80, 490)).getextrema()[0] < 100
