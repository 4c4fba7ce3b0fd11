"""An issue on the web as it was sent to one subscriber."""

import pytest

from digest.subscribers.tokens import Purpose
from tests.web.conftest import START, Visit
from tests.web.rendered_pages import fill, send_list

pytestmark = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)


def test_it_holds_the_papers_of_the_mail_in_their_order_with_the_reasons(visit: Visit) -> None:
    fill(visit.engine)
    subscriber = visit.subscribed()
    path = f"/feedback/{visit.token(Purpose.FEEDBACK, subscriber)}/issues/{send_list(visit, papers=2)}"
    page = visit.browser.get(path)
    assert page.status_code == 200
    assert page.text.count('class="card"') == 2
    assert page.text.count("“attention”") == 2
    assert f"{path.rpartition('/issues/')[0]}/more/" in page.text
    assert subscriber.email not in page.text  # whoever has the link learns no address
    assert "no-store" in page.headers["cache-control"]


def test_it_holds_papers_beyond_the_best_of_the_issue(visit: Visit) -> None:
    fill(visit.engine, best=2)
    token = visit.token(Purpose.FEEDBACK, visit.subscribed())
    page = visit.browser.get(f"/feedback/{token}/issues/{send_list(visit, papers=3)}").text
    assert page.count('class="card"') == 3


@pytest.mark.parametrize("rest", ["2026-11-22", "2026-11-23/weekly", "2026-11-23/x", "today", "2019-01-01"])
def test_what_was_not_mailed_is_not_there(visit: Visit, rest: str) -> None:
    fill(visit.engine)
    token = visit.token(Purpose.FEEDBACK, visit.subscribed())
    send_list(visit)
    assert visit.browser.get(f"/feedback/{token}/issues/{rest}").status_code == 404


def test_a_mail_that_is_not_begun_has_no_list_and_nobody_sees_that_of_another(visit: Visit) -> None:
    day = START.date()
    fill(visit.engine)
    path = f"/feedback/{visit.token(Purpose.FEEDBACK, visit.subscribed())}/issues/{day}"
    assert visit.browser.get(path).status_code == 404
    send_list(visit)
    other = visit.token(Purpose.FEEDBACK, visit.subscribed("other@example.org"))
    assert visit.browser.get(f"/feedback/{other}/issues/{day}").status_code == 404
    assert (
        visit.browser.get(f"/feedback/{visit.token(Purpose.MANAGE, visit.subscriber())}/issues/{day}").status_code
        == 404
    )
