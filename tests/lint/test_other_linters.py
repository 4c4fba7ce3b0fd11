"""What others wrote to read HTML and CSS by their specifications finds nothing wrong in our mails.

html5lib reports each parse error of the HTML standard, tinycss2 each of CSS Syntax Level 3.
"""

import re

import html5lib
import pytest
import tinycss2

from digest.ledger.kinds import Kind
from digest.mail.message import MessageParts
from tests.mail.builders import parts_of_every_kind

STYLES = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL)
INLINE = re.compile(r'\sstyle="([^"]*)"')


def html_errors(html: str) -> list[str]:
    parser = html5lib.HTMLParser()
    parser.parse(html)
    return [f"{code} at {place}: {about}" for place, code, about in parser.errors]


def css_errors(html: str) -> list[str]:
    rules = [rule for css in STYLES.findall(html) for rule in tinycss2.parse_stylesheet(css)]
    inline = [one for css in INLINE.findall(html) for one in tinycss2.parse_blocks_contents(css)]
    return [one.message for one in (*rules, *inline) if one.type == "error"]


@pytest.fixture(params=parts_of_every_kind().items(), ids=lambda one: str(one[0]))
def html(request: pytest.FixtureRequest) -> str:
    found: tuple[Kind, MessageParts] = request.param
    return found[1].html


def test_a_parser_that_follows_the_html_standard_finds_no_error(html):
    assert html_errors(html) == []


def test_a_parser_that_follows_css_finds_no_error(html):
    assert INLINE.search(html)
    assert css_errors(html) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [("</table>", "</div></table>"), ("<body", "<p></body><body"), ("<!DOCTYPE html>", "")],
)
def test_they_would_find_what_is_broken(old, new):
    html = parts_of_every_kind()[Kind.DIGEST].html
    broken = re.sub(re.escape(old), new, html, count=1, flags=re.IGNORECASE)
    assert broken != html
    assert html_errors(broken)


def test_and_what_is_broken_in_styles():
    html = parts_of_every_kind()[Kind.DIGEST].html
    assert css_errors(INLINE.sub(' style="color: red; } margin"', html, count=1))
