"""An issue as one subscriber was sent it, behind a link of that message: their papers, and why each is there."""

from dataclasses import replace
from urllib.parse import quote

from fastapi import HTTPException, Response

from digest.database.engine import read_only
from digest.issues.lists import chosen_list
from digest.issues.store import issue_on
from digest.language import _
from digest.ledger.kinds import IssueKind
from digest.web.cards import card
from digest.web.personal.feedback import LABELS
from digest.web.personal.links import FeedbackLink
from digest.web.public.archive import issue_date
from digest.web.site import PageRouter

router = PageRouter()


@router.page("/feedback/{token}/issues/{day}")
@router.page("/feedback/{token}/issues/{day}/{kind}")
def my_issue_page(link: FeedbackLink, day: str, kind: str = IssueKind.DAILY) -> Response:
    """The list that the ledger keeps of this subscriber's message; 404 when none was begun."""
    with read_only(link.site.engine) as connection:
        issue = issue_on(connection, kind, issue_date(day))
        chosen = chosen_list(connection, issue.id, link.subscriber.key) if issue else None
    if issue is None or chosen is None:
        raise HTTPException(404, _("We didn’t email you a list on this date."))
    ranked = {entry.paper.id: entry for entry in issue.papers}
    picks = dict(enumerate(chosen.selection.picks, start=1))
    return link.show(
        "my_issue",
        issue=issue,
        cards=[replace(card(ranked[pick.paper_id]), rank=rank) for rank, pick in picks.items()],
        why={rank: pick.why for rank, pick in picks.items()},
        paper={rank: quote(pick.paper_id, safe="/:") for rank, pick in picks.items()},
        labels=LABELS,
    )
