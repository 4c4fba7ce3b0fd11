"""A stored selection: the text that the ledger holds, and what earlier versions stored."""

from datetime import date

import pytest

from digest.issues.selection import Pick, Selection, packed_selection, selection_of
from digest.ledger.received import ranks_alone, ranks_of

FULL = Pick("2603.00001", "you follow “graphs”", (("trending", 6309), ("keyword", 8000), ("same_lab", -1000)))


def test_points_are_ten_thousandths_that_add_up():
    assert FULL.terms == {"trending": 0.6309, "keyword": 0.8, "same_lab": -0.1}
    assert FULL.score == 1.3309
    assert Pick("2603.00002", "").score == 0


RANKS = {"2603.00001": 1, "2603.00002": 300, "2603.00003": 70_000}
BY_RANK = {rank: paper_id for paper_id, rank in RANKS.items()}
SECOND = Pick("2603.00002", "关注你", (("new", 1000), ("affinity", 7123)))
LIST = Selection((FULL, SECOND), 3, "de", first=True, since=date(2026, 3, 1), only=True)


@pytest.mark.parametrize(
    "selection", [LIST, Selection(()), Selection((FULL,)), Selection((Pick("2603.00003", ""), FULL))]
)
def test_what_was_stored_is_read_back(selection):
    assert selection_of(packed_selection(selection, RANKS), BY_RANK) == selection


def test_a_stored_selection_is_readable_for_ever():
    stored = (
        "020001002c01430e446394404c0186bb525a66513130784b8a4a5375948a33f39241c16b646064a66b60ac6b600854919f97530951500b34"
        "0f68272cc88036a617251664143f6a980b0c1763034b34fb8106a24628c8418800d53180461dc863c8f1676e68641c0b00"
    )
    assert selection_of(bytes.fromhex(stored), BY_RANK) == LIST


def test_without_its_reasons_a_selection_still_has_its_papers():
    kept = ranks_alone(packed_selection(LIST, RANKS))
    assert ranks_of(kept) == (1, 300)
    assert selection_of(kept, BY_RANK) == Selection((Pick("2603.00001", ""), Pick("2603.00002", "")))


def test_the_papers_of_usual_lists_take_few_bytes():
    ranks = {f"2603.{number:05}": number for number in range(200)}
    words = ("graph", "segmentation", "latent", "protein", "video")
    picks = [
        Pick(
            paper_id, f"matches your keyword “{words[rank % 5]}”" if rank % 2 else "", (("trending", 9000 - 31 * rank),)
        )
        for paper_id, rank in list(ranks.items())[3:150:15]
    ]
    assert len(packed_selection(Selection(tuple(picks)), ranks)) < 160


def test_a_selection_of_an_earlier_version_is_read():
    stored = {
        "picks": [["2603.00001", FULL.why, 6309, "keyword", 8000, "same_lab", -1000], ["2603.00002", "", 5000]],
        "left_out": 3,
        "language": "de",
    }
    second = Pick("2603.00002", "", (("trending", 5000),))
    assert selection_of(stored, {}) == Selection((FULL, second), 3, "de")


def test_a_selection_of_the_first_version_has_no_points_no_language_and_no_welcome():
    earlier = selection_of({"picks": [["2603.00001", "you follow graphs"]], "left_out": 2}, {})
    assert earlier == Selection((Pick("2603.00001", "you follow graphs"),), 2, "", first=False)
