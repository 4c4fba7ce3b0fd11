"""A stored selection: the text that the ledger holds, and what earlier versions stored."""

import json

from digest.issues.selection import Pick, Selection, selection_as_json, selection_of

FULL = Pick("2603.00001", "you follow “graphs”", (("trending", 6309), ("keyword", 8000), ("same_lab", -1000)))


def test_points_are_ten_thousandths_that_add_up():
    assert FULL.terms == {"trending": 0.6309, "keyword": 0.8, "same_lab": -0.1}
    assert FULL.score == 1.3309
    assert Pick("2603.00002", "").score == 0


def test_a_selection_is_stored_as_it_always_was():
    selection = Selection((FULL, Pick("2603.00002", "", (("trending", 5000),))), 3, "de")
    assert json.loads(selection_as_json(selection)) == {
        "picks": [
            ["2603.00001", "you follow “graphs”", 6309, "keyword", 8000, "same_lab", -1000],
            ["2603.00002", "", 5000],
        ],
        "left_out": 3,
        "language": "de",
    }
    assert json.loads(selection_as_json(Selection((), first=True)))["first"] is True


def test_what_was_stored_is_read_back():
    for selection in (Selection((FULL,), 3, "de"), Selection((FULL, FULL), first=True), Selection(())):
        assert selection_of(json.loads(selection_as_json(selection))) == selection


def test_a_selection_of_an_earlier_version_has_no_points_no_language_and_no_welcome():
    earlier = selection_of({"picks": [["2603.00001", "you follow graphs"]], "left_out": 2})
    assert earlier == Selection((Pick("2603.00001", "you follow graphs"),), 2, "", first=False)
