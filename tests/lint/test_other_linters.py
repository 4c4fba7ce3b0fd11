"""Strict parsers find no error in the HTML and CSS of any message.

html5lib reports each parse error of the HTML standard, tinycss2 each of CSS Syntax Level 3.
"""

import re

import html5lib
import pytest
import tinycss2

from digest.ledger.kinds import Kind
from tests.mail.builders import parts_of_every_kind

STYLES = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL)
INLINE = re.compile(r'\sstyle="([^"]*)"')


def html_errors(html: str) -> list[str]:
    parser = html5lib.HTMLParser()
    parser.parse(html)
    return [f"{code} at {position}: {details}" for position, code, details in parser.errors]


def css_errors(html: str) -> list[str]:
    rules = [rule for css in STYLES.findall(html) for rule in tinycss2.parse_stylesheet(css)]
    inline = [node for css in INLINE.findall(html) for node in tinycss2.parse_blocks_contents(css)]
    return [node.message for node in (*rules, *inline) if node.type == "error"]


@pytest.fixture(params=list(Kind), ids=str)
def html(request: pytest.FixtureRequest) -> str:
    kind: Kind = request.param
    return parts_of_every_kind()[kind].html


def test_a_parser_of_the_html_standard_finds_no_error(html):
    assert html_errors(html) == []


def test_a_parser_of_css_finds_no_error(html):
    assert INLINE.search(html)
    assert css_errors(html) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [("</table>", "</div></table>"), ("<body", "<p></body><body"), ("<!DOCTYPE html>", "")],
)
def test_the_parser_finds_broken_html(old, new):
    html = parts_of_every_kind()[Kind.DIGEST].html
    broken = re.sub(re.escape(old), new, html, count=1, flags=re.IGNORECASE)
    assert broken != html
    assert html_errors(broken)


def test_the_parser_finds_broken_styles():
    html = parts_of_every_kind()[Kind.DIGEST].html
    assert css_errors(INLINE.sub(' style="color: red; } margin"', html, count=1))
