"""Every kind of mail, as a browser has it: accessible in both schemes and languages, and as wide as its window."""

import pytest

from tests.mail.builders import a_paper, an_issue
from tests.support.chromium import violations
from tests.support.pictures import LANGUAGES, SCHEMES, WIDTHS, mails

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
ISSUE = an_issue(
    [
        a_paper(1),
        a_paper(2, title="نماذج اللغة الكبيرة", summary="A summary in English under an Arabic title."),
        a_paper(3, title="大规模语言模型的稀疏注意力"),
        a_paper(5, title="Pneumono" * 17, summary=f"See https://example.org/{'way/' * 40} for more."),
        a_paper(4, title="Interpretability without tears", organization="A laboratory with a very long name " * 3),
    ],
    note="This is a thin issue: one source could not be reached.",
)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_wrong_with_any_mail(chromium, scheme):
    page = chromium.new_page(color_scheme=scheme, viewport={"width": 390, "height": 800})
    wrong = {}
    for language in LANGUAGES:
        for kind, html in mails(ISSUE, language).items():
            page.set_content(html)
            if found := violations(page):
                wrong[language, kind] = found
    assert wrong == {}


def test_axe_sees_a_fault_in_a_mail(chromium):
    html = mails(ISSUE, "en")["link"].replace("color:#5c5951", "color:#cccccc").replace(' lang="en"', "", 1)
    page = chromium.new_page()
    page.set_content(html)
    assert {"color-contrast", "html-has-lang"} <= {rule for rule, _ in violations(page)}


def test_no_mail_scrolls_sideways_on_any_screen(chromium):
    wide = []
    for width in WIDTHS:
        page = chromium.new_page(viewport={"width": width, "height": 800})
        for kind, html in mails(ISSUE, "en").items():
            page.set_content(html)
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wide.append((kind, width))
        page.close()
    assert wide == []
