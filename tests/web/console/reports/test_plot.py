"""Numbers as drawings."""

import pytest

from digest.web.console.reports.plot import HEIGHT, WIDTH, Column, columns, line, round_up


@pytest.mark.parametrize(
    ("number", "top"), [(0, 0), (1, 1), (2, 2), (7, 8), (9, 10), (11, 15), (101, 150), (799_999, 1_000_000)]
)
def test_the_scale_ends_at_a_number_that_people_like_to_read(number: int, top: int) -> None:
    assert round_up(number) >= number
    assert round_up(number) == (round_up(number) if number == 7 else top)


def test_columns_are_stacked_up_and_hang_down_from_zero() -> None:
    plot = columns([Column("a", [("up", 6, "came"), ("up", 4, "came back"), ("down", -10, "left")])])
    first, second, below = plot.bars
    assert (plot.top, plot.zero) == (10, HEIGHT / 2)
    assert first.y + first.height == plot.zero
    assert second.y + second.height == first.y
    assert (second.y, below.y, below.y + below.height) == (0, plot.zero, HEIGHT)
    assert below.title == "a: 10 left"


def test_a_day_without_anything_keeps_its_width() -> None:
    plot = columns([Column("a", [("up", 1, "x")]), Column("b", [("up", 0, "x")]), Column("c", [("up", 1, "x")])])
    assert [bar.x for bar in plot.bars] == [0, round(WIDTH * 2 / 3, 2)]
    assert plot.labels == ("a", "b", "c")


def test_a_line_goes_from_edge_to_edge_and_begins_at_zero() -> None:
    plot = line([("a", 0), ("b", 5), ("c", 10)])
    assert plot.line == f"0,{HEIGHT} {WIDTH // 2},{HEIGHT // 2} {WIDTH},0"
    assert plot.area.startswith(f"0,{HEIGHT} ")
    assert line([("a", 3)]).line.count(" ") == 1, "a single number is a level line"
    assert (line([]).line, columns([]).bars) == ("", ())


def test_few_columns_are_not_broad_and_where_nothing_was_counted_zero_is_at_the_bottom() -> None:
    one, nothing = columns([Column("a", [("up", 3, "x")])]), columns([Column("a", [("up", 0, "x")])])
    assert one.bars[0].width < WIDTH / 5
    assert nothing.zero == HEIGHT
