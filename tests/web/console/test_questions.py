"""The questions of an operator, each asked of one page, about an issue that was cut and partly sent."""

import re
from datetime import timedelta
from html import unescape

import pytest

from digest.issues.publish import halt
from digest.ledger import events
from digest.ledger.kinds import IssueStatus
from digest.monitoring.heartbeats import Role, beat, this_process
from tests.support.morning import LONG, NOW, make_morning
from tests.support.scenario import DAY
from tests.web.conftest import Visit
from tests.web.console.conftest import SignIn

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

ISSUE = f"/issues/{DAY}/daily"
QUESTIONS = {
    "who did not get today's issue, and why": (
        ISSUE,
        [
            "2 accepted",
            f"{LONG} refused the server said 550 5.1.1 no such user here",
            "broken@example.com quarantined it cannot be composed",
            "Left out by the cut 1 paused by the subscriber, 1 suppressed",
        ],
    ),
    "did someone get it, and what was in it": (
        "/subscribers/1",
        ["ada@example.com", "250 2.0.0", "A paper about graphs", "issue of 2026-03-05, due 2026-03-05 07:00 UTC"],
    ),
    "why was nothing sent yesterday": (
        "/days",
        ["2026-03-03 No issue : no source could be read: arxiv 2026-03-03 06:05 UTC", "answered 503"],
    ),
    "what is being retried": (
        "/waiting",
        [
            "Being retried",
            "slow@example.com digest of 2026-03-04 queued the issue is paused; deferred once",
            "try again later",
        ],
    ),
    "what is stuck": ("/waiting", ["broken@example.com digest of 2026-03-04 quarantined it cannot be composed"]),
    "what bounced": (
        "/bounces",
        [
            "1 in the last 30 days",
            "1 address was suppressed",
            "5.1.1 address 1",
            f"{LONG} digest of 2026-03-04 550 5.1.1",
        ],
    ),
    "who was suppressed, and why": (
        "/suppressions",
        ["blocked@example.com operator", "asked by phone", f"{LONG} refused"],
    ),
    "how many subscribers over time": (
        "/growth",
        ["9 confirmed, 1 pending, 1 unsubscribed", "2026-03-04 0 0 0 9", "2026-03-03 0 0 1 9", "too many 1"],
    ),
    "what goes out tomorrow, to how many": (
        "/next",
        ["Issue of 2026-03-05", "Cut 2026-03-05 06:00 UTC", "5 get an email", "A paper about graphs"],
    ),
    "is everything running": ("", ["3 things to look at", "no scheduler is running", "worker"]),
    "who paused this": ("", ["paused by bob since 2026-03-04 08:00 UTC : a typo in the title"]),
    "how fast is it": ("", ["3.5 messages accepted a second in the last minute"]),
    "which domains are slow": ("/domains", ["example.com 8", "no limit"]),
}


@pytest.fixture
def browser(visit: Visit, signed_in: SignIn, smtp_server, tmp_path, clock):
    """Of an operator, two hours after the cut; bob has paused the issue, and a worker is alive."""
    clock.move_to(NOW - timedelta(minutes=1))
    make_morning(visit.engine, smtp_server, tmp_path / "journal")
    clock.move_to(NOW)
    with events.acting("bob", "shell"):
        halt(visit.engine, DAY, IssueStatus.PAUSED, NOW, reason="a typo in the title")
    for role, detail in ((Role.WORKER, {"rate": 3.5}), (Role.WEB, {})):
        beat(visit.engine, this_process(role), detail, is_first=True)
    return signed_in("ada")


def text_of(page: str) -> str:
    """The text of a page, in one line."""
    page = re.sub(r"<title>.*?</title>|<script.*?</script>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub("<[^>]+>", " ", page)).split())


def test_each_question_has_its_page(browser) -> None:
    pages = {path: text_of(browser.get(f"/console{path}").text) for path, _ in QUESTIONS.values()}
    missing = [
        (question, expected, pages[path])
        for question, (path, answers) in QUESTIONS.items()
        for expected in answers
        if expected not in pages[path]
    ]
    assert missing == [], "\n".join(map(str, missing))
