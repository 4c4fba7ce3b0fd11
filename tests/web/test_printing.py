"""Values are printed quickly, and exactly as Jinja prints them."""

from datetime import date

import pytest
from jinja2 import Environment, StrictUndefined
from jinja2.exceptions import UndefinedError
from markupsafe import Markup

from digest.language import Languages, _, n_
from digest.resources import resource
from digest.templating import speak
from digest.web.printing import print_quickly

HOSTILE = "<b onclick='x'>\"&amp;\""
TEMPLATE = (
    "{% macro twice(value) %}{{ value }}{{ value }}{% endmacro %}{{ value }}|{{ twice(value) }}|{{ value ~ '' }}|"
    "{% for part in [value] %}{{ part }}{% endfor %}|{% autoescape false %}{{ value }}{% endautoescape %}"
)


class OwnMarkup:
    def __html__(self) -> str:
        return "<i>own</i>"


class Name(str):
    """A text of another type."""


def environment(code: str, quick: bool) -> Environment:
    made = Environment(autoescape=True, undefined=StrictUndefined)
    language = Languages(resource("locale")).get(code)
    speak(made, language)
    if quick:
        print_quickly(made, language)
    return made


@pytest.mark.parametrize("code", ["en", "zh-CN"])
@pytest.mark.parametrize(
    "value",
    [
        "", "plain", HOSTILE, HOSTILE * 20, "é…中", Name(HOSTILE), Markup("<br>"), OwnMarkup(), 0, 12345, 0.5, True,
        None, date(2026, 11, 23), ["<"], _("Code"), _("New in %(category)s", category=HOSTILE),
        n_("%(num)s vote", "%(num)s votes", num=1), n_("%(num)s vote", "%(num)s votes", num=1200),
    ],
)  # fmt: skip
def test_a_value_is_printed_as_jinja_prints_it(value: object, code: str) -> None:
    plain, quick = (environment(code, is_quick).from_string(TEMPLATE) for is_quick in (False, True))
    assert [quick.render(value=value) for _again in range(2)] == [plain.render(value=value)] * 2


def test_what_is_not_there_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        environment("en", quick=True).from_string("{{ value }}").render()
