"""The form of preferences."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from digest.papers.taxonomy import ARCHIVES, CATEGORIES, parse_category
from digest.subscribers.preferences import fields_of, parse_preferences
from digest.subscribers.subscriber import EVERY_DAY, WORKDAYS, Frequency, Preferences

NOW = datetime(2026, 11, 23, 22, 30, tzinfo=UTC)  # a Monday; Tuesday in Tokyo
CS = {name.removeprefix("cs.") for name in CATEGORIES if name.startswith("cs.")}
Form = dict[str, list[str]]


def test_a_full_form_becomes_preferences() -> None:
    form = {
        "topics": ["vision", "language-models"],
        "keywords": [" sparse   attention,  RAG , rag,"],
        "papers": ["2"],
        "frequency": ["weekly"],
        "weekday": ["4"],
        "hour": ["18"],
        "zone": ["Asia/Tokyo"],
        "pause": ["7"],
    }
    assert parse_preferences(form, NOW) == Preferences(
        topics=("language-models", "vision"),
        keywords=("sparse attention", "rag"),
        papers=2,
        frequency=Frequency.WEEKLY,
        weekdays=frozenset({4}),
        zone="Asia/Tokyo",
        hour=18,
        paused_until=date(2026, 12, 1),  # seven days from the subscriber's own Tuesday
    )


def test_interests_and_mutes_become_preferences() -> None:
    form = {
        "categories": ["CS.cl, math; hep-TH  cs.CL"],
        "authors": ["Ada Lovelace, ada lovelace, 李明"],
        "labs": [" ETH  Zürich "],
        "muted_topics": ["", "robotics"],
        "muted_words": ["benchmark"],
        "surprise": ["no"],
    }
    assert parse_preferences(form, NOW) == Preferences(
        categories=("cs.CL", "math", "hep-th"),
        authors=("ada lovelace", "李明"),
        labs=("ETH Zürich",),
        muted_topics=("robotics",),
        muted_words=("benchmark",),
        surprise=False,
    )


@pytest.mark.parametrize("separator", [",", "，", "、", ";", "；", "،", "､", "\n"])
def test_items_are_separated_as_people_write_lists_in_their_script(separator: str) -> None:
    form = {
        "keywords": [f"扩散模型{separator}RAG"],
        "categories": [f"cs.cl{separator}STAT.ml"],
        "authors": [f"李明{separator}Ada Lovelace"],
        "labs": [f"清华大学{separator}MIT"],
        "muted_words": [f"综述{separator}survey{separator}"],
    }
    assert parse_preferences(form, NOW) == Preferences(
        keywords=("扩散模型", "RAG"),
        categories=("cs.CL", "stat.ML"),
        authors=("李明", "Ada Lovelace"),
        labs=("清华大学", "MIT"),
        muted_words=("综述", "survey"),
    )


def test_full_width_letters_and_digits_are_read_as_the_usual_ones() -> None:
    form = {
        "categories": ["ｃｓ．ＣＬ　ｓｔａｔ．ＭＬ"],
        "papers": ["１２"],
        "hour": ["　６　"],
        "zone": ["Ａｓｉａ／Ｔｏｋｙｏ"],
        "pause": ["until"],
        "pause_until": ["２０２６－１２－０１"],
    }
    assert parse_preferences(form, NOW) == Preferences(
        categories=("cs.CL", "stat.ML"), papers=12, hour=6, zone="Asia/Tokyo", paused_until=date(2026, 12, 1)
    )


def test_interests_stay_when_absent_from_the_form_and_go_when_empty() -> None:
    current = Preferences(
        categories=("cs.CL",),
        authors=("Ada Lovelace",),
        labs=("MIT",),
        muted_topics=("vision",),
        muted_words=("survey",),
        surprise=False,
    )
    assert parse_preferences({"papers": ["10"]}, NOW, current) == current
    emptied = {"categories": [""], "authors": [""], "labs": [""], "muted_topics": [""], "muted_words": [""]}
    assert parse_preferences(emptied | {"surprise": ["no", "yes"]}, NOW, current) == Preferences()


def test_every_archive_and_category_is_known_by_its_own_name() -> None:
    for name in ARCHIVES | CATEGORIES:
        assert parse_category(name.upper()) == name
    assert len(CATEGORIES) + sum(not any(c.startswith(f"{a}.") for c in CATEGORIES) for a in ARCHIVES) == 155


def test_absent_fields_keep_what_the_subscriber_has() -> None:
    current = Preferences(
        topics=("vision",),
        keywords=("rag",),
        papers=3,
        weekdays=WORKDAYS,
        zone="Europe/Berlin",
        hour=5,
        paused_until=date(2026, 12, 24),
    )
    changed = parse_preferences({"papers": ["4"], "topics": ["vision"]}, NOW, current)
    assert changed == replace(current, papers=4)


def test_no_box_ticked_means_no_topic() -> None:
    changed = parse_preferences({"papers": ["4"]}, NOW, Preferences(topics=("vision",)))
    assert isinstance(changed, Preferences)
    assert changed.topics == ()


@pytest.mark.parametrize(("value", "days"), [("daily", EVERY_DAY), ("workdays", WORKDAYS)])
def test_frequencies_are_sets_of_days(value: str, days: frozenset[int]) -> None:
    changed = parse_preferences({"frequency": [value]}, NOW)
    assert isinstance(changed, Preferences)
    assert changed.weekdays == days


@pytest.mark.parametrize(
    ("form", "field", "word"),
    [
        ({"topics": ["astrology"]}, "topics", "from the list"),
        ({"keywords": ["a"]}, "keywords", "2 to 60"),
        ({"keywords": ["x" * 61]}, "keywords", "2 to 60"),
        ({"keywords": ["rag, --"]}, "keywords", "“--” has no letter"),
        ({"muted_words": ["？？"]}, "muted_words", "no letter"),
        ({"labs": ["- -"]}, "labs", "no letter"),
        ({"keywords": [", ".join(f"word{n}" for n in range(21))]}, "keywords", "21"),
        ({"keywords": ["ra\x00g"]}, "keywords", "invisible"),
        ({"categories": ["cs.CL, cs.LM"]}, "categories", "Did you mean cs."),
        ({"categories": ["astrology.XX"]}, "categories", "no category"),
        ({"categories": [" ".join(f"cs.{name}" for name in sorted(CS)[:21])]}, "categories", "21"),
        ({"authors": ["A"]}, "authors", "2 to 60"),
        ({"authors": [", ".join(f"Ada {n}" for n in range(21))]}, "authors", "That’s 21"),
        ({"labs": ["x" * 61]}, "labs", "2 to 60"),
        ({"labs": ["M\u200bIT"]}, "labs", "invisible"),
        ({"muted_words": ["x"]}, "muted_words", "2 to 60"),
        ({"muted_topics": ["astrology"]}, "muted_topics", "from the list"),
        ({"muted_topics": ["vision"], "topics": ["vision"]}, "muted_topics", "Follow it or mute it"),
        ({"papers": ["0"]}, "papers", "1 to 25"),
        ({"papers": ["26"]}, "papers", "1 to 25"),
        ({"papers": ["٣"]}, "papers", "1 to 25"),
        ({"papers": ["9" * 5000]}, "papers", "1 to 25"),
        ({"papers": [""]}, "papers", "1 to 25"),
        ({"hour": ["24"]}, "hour", "0 to 23"),
        ({"hour": ["-1"]}, "hour", "0 to 23"),
        ({"frequency": ["hourly"]}, "frequency", "every day"),
        ({"frequency": ["weekly"], "weekday": ["7"]}, "frequency", "Monday"),
        ({"zone": ["Mars/Olympus"]}, "zone", "know that time zone"),
        ({"zone": ["Berln"]}, "zone", "Did you mean one of these? Europe/Berlin"),
        ({"zone": ["UTC+5:30"]}, "zone", "Asia/Kolkata"),
        ({"zone": ["../../etc/passwd"]}, "zone", "know that time zone"),
        ({"pause": ["8"]}, "pause", "date"),
        ({"pause": ["until"], "pause_until": [""]}, "pause", "date"),
        ({"pause": ["until"], "pause_until": ["2026-11-23"]}, "pause", "after today"),
        ({"pause": ["until"], "pause_until": ["2028-01-01"]}, "pause", "within a year"),
    ],
)
def test_a_wrong_field_gets_a_message(form: Form, field: str, word: str) -> None:
    errors = parse_preferences(form, NOW)
    assert isinstance(errors, dict)
    assert list(errors) == [field]
    assert word in errors[field]


def test_all_wrong_fields_get_a_message_at_once() -> None:
    errors = parse_preferences({"papers": ["x"], "hour": ["x"], "zone": ["x"]}, NOW)
    assert isinstance(errors, dict)
    assert set(errors) == {"papers", "hour", "zone"}


def test_a_pause_can_be_ended_and_given_a_date() -> None:
    current = Preferences(paused_until=date(2026, 12, 24))
    ended = parse_preferences({"pause": ["0"], "pause_until": ["2026-12-24"]}, NOW, current)
    dated = parse_preferences({"pause": ["until"], "pause_until": ["2026-11-24"]}, NOW)
    assert isinstance(ended, Preferences)
    assert isinstance(dated, Preferences)
    assert ended.paused_until is None
    assert dated.paused_until == date(2026, 11, 24)


def test_an_offset_is_saved_as_a_fixed_zone_and_shown_as_it_was_typed() -> None:
    changed = parse_preferences({"zone": ["GMT+2"]}, NOW)
    assert isinstance(changed, Preferences)
    assert changed.zone == "Etc/GMT-2"
    shown = fields_of(changed, NOW)["zone"]
    assert shown == "UTC+2"
    assert parse_preferences({"zone": [shown]}, NOW, changed) == changed
