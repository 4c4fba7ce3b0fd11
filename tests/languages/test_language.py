"""A language: its texts, its dates, and which one somebody wants."""

import copy
from datetime import date

import pytest
from jinja2 import Environment

from digest.language import Languages, _, n_
from digest.resources import resource
from digest.templating import speak

LANGUAGES = Languages(resource("locale"))
ENGLISH, CHINESE = LANGUAGES.get("en"), LANGUAGES.get("zh-CN")
DAY = date(2026, 11, 23)


def test_dates_numbers_and_lists_are_written_as_the_language_does():
    assert ENGLISH.long_date(DAY) == "Monday, 23 November 2026"
    assert CHINESE.long_date(DAY) == "2026年11月23日 星期一"
    assert (ENGLISH.day_of(DAY), ENGLISH.short_date(DAY)) == ("23 November 2026", "23 Nov")
    assert (CHINESE.day_of(DAY), CHINESE.short_date(DAY)) == ("2026年11月23日", "11月23日")
    assert (ENGLISH.number(12345), ENGLISH.join(["A", "B", "C"])) == ("12,345", "A, B and C")
    assert (CHINESE.number(12345), CHINESE.join(["甲", "乙", "丙"])) == ("12,345", "甲、乙和丙")
    assert (CHINESE.name, CHINESE.direction, ENGLISH.direction) == ("简体中文", "ltr", "ltr")


def test_a_number_is_shown_with_three_decimals_rounded_half_to_even():
    shown = [ENGLISH.number(value) for value in (0.0125, 0.0135, -0.0002, 0.0002, -1.5, 1234.56789, 2.0)]
    assert shown == ["0.012", "0.014", "-0", "0", "-1.5", "1,234.568", "2"]


def test_a_message_is_english_until_it_is_said():
    message = _("Enter a number from %(low)s to %(high)s.", low=1, high=1000)
    assert message == "Enter a number from 1 to 1,000."
    assert CHINESE.say(message) == "请输入 1 到 1,000 之间的数字。"
    assert CHINESE.say("Preferences") == "Preferences"
    assert CHINESE.say(_("Preferences")) == "设置"
    assert CHINESE.say(copy.deepcopy(message)) == CHINESE.say(message)


def test_values_of_a_message_are_said_too():
    message = _("%(what)s on %(day)s by %(names)s: 100%%", what=_("Preferences"), day=DAY, names=["A", "B"])
    assert message == "Preferences on 23 November 2026 by A and B: 100%"
    assert CHINESE.say(message) == "设置 on 2026年11月23日 by A和B: 100%"


def test_a_number_chooses_its_plural():
    assert n_("%(num)s paper", "%(num)s papers", num=1) == "1 paper"
    assert n_("%(num)s paper", "%(num)s papers", num=1200) == "1,200 papers"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("en-GB,zh-CN;q=0.9", "en"),
        ("en;q=0.3, zh-Hans;q=0.7", "zh-CN"),
        ("ZH-cn", "zh-CN"),
        ("zh-TW, en", "zh-CN"),
        ("zh-Hant-HK", "zh-CN"),
        ("de, fr;q=0.9", "en"),
        ("de, zh;q=0.1", "zh-CN"),
        ("zh-CN;q=0, en;q=0.1", "en"),
        ("*, zh;q=0.5", "en"),
        ("zh;q=nonsense, ;;;, -", "en"),
        ("," * 10_000 + "zh", "en"),
    ],
)
def test_the_language_is_what_the_browser_asks_for(header, code):
    assert LANGUAGES.negotiate(header, default="en") == code


def test_what_nobody_speaks_is_the_operators():
    assert LANGUAGES.negotiate("de", default="zh-CN") == "zh-CN"
    assert LANGUAGES.get("tlh") is ENGLISH


def test_templates_translate_and_escape():
    environment = Environment(autoescape=True)
    speak(environment, CHINESE)
    values = {"who": "<b>&", "said": _("Your link to %(title)s", title="<i>")}
    template = environment.from_string("{{ _('Your link to %(title)s', title=who) }}|{{ said }}|{{ who }}")
    assert template.render(values) == "您的 &lt;b&gt;&amp; 链接|您的 &lt;i&gt; 链接|&lt;b&gt;&amp;"
