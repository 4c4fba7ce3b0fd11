"""An issue as it was mailed to one reader, behind a link of that mail: their papers, and why each is there."""

from dataclasses import replace
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Response

from digest.database.engine import read_only
from digest.issues.lists import chosen_list
from digest.issues.store import issue_on
from digest.language import _
from digest.ledger.kinds import IssueKind
from digest.web.cards import card
from digest.web.personal.feedback import WORDS, reader_of
from digest.web.public.archive import date_asked
from digest.web.site import TheSite

router = APIRouter()


@router.api_route("/feedback/{token}/issues/{day}", methods=["GET", "HEAD"])
@router.api_route("/feedback/{token}/issues/{day}/{kind}", methods=["GET", "HEAD"])
def sent_page(site: TheSite, token: str, day: str, kind: str = IssueKind.DAILY) -> Response:
    """The list that the ledger keeps of this reader's mail; 404 when none was begun."""
    reader = reader_of(site, token)
    if isinstance(reader, Response):
        return reader
    with read_only(site.engine) as connection:
        issue = issue_on(connection, kind, date_asked(day))
        chosen = chosen_list(connection, issue.id, reader.key) if issue else None
    if issue is None or chosen is None:
        raise HTTPException(404, _("We didn’t email you a list on this date."))
    ranked = {one.paper.id: one for one in issue.papers}
    picks = dict(enumerate(chosen.selection.picks, start=1))
    return site.speaking_to(reader).pages.show(
        "sent",
        issue=issue,
        cards=[replace(card(ranked[pick.paper_id]), rank=place) for place, pick in picks.items()],
        why={place: pick.why for place, pick in picks.items()},
        paper={place: quote(pick.paper_id, safe="/:") for place, pick in picks.items()},
        words=WORDS,
        token=token,
    )
