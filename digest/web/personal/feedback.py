"""Behind the links of a message: the issue as it was sent, feedback on each paper, and all feedback so far.

Opening a link only shows buttons.
"""

from collections.abc import Iterable
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, HTTPException, Response
from starlette.convertors import Convertor, register_url_convertor

from digest import clock
from digest.database.engine import read_only
from digest.issues.explain import chosen_list
from digest.issues.profiles import feedback_summary
from digest.issues.reasons import rank_of
from digest.issues.store import issue_on, ranked_with
from digest.language import Message, _
from digest.ledger.kinds import IssueKind
from digest.mail.compose.notice_text import paragraphs
from digest.papers.paper import Paper
from digest.papers.store import papers_with
from digest.papers.topics import Topic, topic_with, topics_of
from digest.subscribers import community, paper_feedback
from digest.subscribers.community import NotTaken
from digest.subscribers.library import saved
from digest.subscribers.paper_feedback import FeedbackKind, feedback_on
from digest.subscribers.preferences import Form, value
from digest.subscribers.tokens import Purpose
from digest.web.cards import own_card, paper_card
from digest.web.personal.links import FeedbackLink, FreshOrFeedbackLink, PersonalLink
from digest.web.public.archive import issue_date
from digest.web.site import EarlyAnswer, PageRouter, Posted

LABELS = {
    FeedbackKind.MORE: _("More like this"),
    FeedbackKind.LESS: _("Less like this"),
    FeedbackKind.READ: _("Already read"),
}
_NOTICES = {
    FeedbackKind.MORE: _("Got it: more papers like this."),
    FeedbackKind.LESS: _("Got it: fewer papers like this. We won’t send you this one again."),
    FeedbackKind.READ: _("Marked as read. We won’t send you this paper again."),
}

router = PageRouter()


# --- an issue as it was sent ---


@router.page("/feedback/{token}/issues/{day}")
@router.page("/feedback/{token}/issues/{day}/{kind}")
def my_issue_page(link: FeedbackLink, day: str, kind: str = IssueKind.DAILY) -> Response:
    """The list that the ledger keeps of this subscriber's message; 404 when none was begun, and for other messages."""
    with read_only(link.site.engine) as connection:
        issue = issue_on(connection, kind, issue_date(day))
        chosen = chosen_list(connection, issue.id, link.subscriber.key) if issue else None
        ids = [pick.paper_id for pick in chosen.selection.picks] if chosen else []
        ranked = ranked_with(connection, issue, ids) if issue else {}
    if issue is None or chosen is None or not link.is_from(chosen.created_at):
        raise HTTPException(404, _("We didn’t email you a list on this date."))
    if kind == IssueKind.NOTICE:
        written, notice = issue.notice_in(chosen.selection.language)
        return link.show("my_notice", written=written, notice=notice, paragraphs=paragraphs(notice.text))
    picks = dict(enumerate(chosen.selection.picks, start=1))
    return link.show(
        "my_issue",
        issue=issue,
        cards=[
            own_card(ranked[pick.paper_id], position, rank_of(ranked[pick.paper_id], issue.kind))
            for position, pick in picks.items()
        ],
        why={rank: pick.why for rank, pick in picks.items()},
        paper={rank: quote(pick.paper_id, safe="/:") for rank, pick in picks.items()},
        labels=LABELS,
    )


# --- one paper ---


class _FeedbackKinds(Convertor[FeedbackKind]):
    """Keeps these routes apart from others below the same link."""

    regex = "|".join(FeedbackKind)

    def convert(self, value: str) -> FeedbackKind:
        return FeedbackKind(value)

    def to_string(self, value: FeedbackKind) -> str:
        return str(value)


register_url_convertor("feedback", _FeedbackKinds())


def _paper(link: FeedbackLink, paper_id: str) -> Paper:
    with read_only(link.site.engine) as connection:
        papers = papers_with(connection, [paper_id]) if len(paper_id) <= 80 and paper_id.isprintable() else {}
    if paper_id not in papers:
        text = _("It isn’t in our archive, or no longer is, so we couldn’t save your feedback. Nothing has changed.")
        raise EarlyAnswer(link.pages.say(_("We don’t have this paper"), text, status=404))
    return papers[paper_id]


ThePaper = Annotated[Paper, Depends(_paper)]


@router.page("/feedback/{token}/papers/{paper_id:path}")
@router.page("/feedback/{token}/{kind:feedback}/{paper_id:path}")
def feedback_page(link: FeedbackLink, paper: ThePaper) -> Response:
    """The paper, and a button for each kind of feedback, none of which looks pressed until it was."""
    return _show_paper(link, paper)


@router.post("/feedback/{token}/papers/{paper_id:path}")
def give_feedback(link: FeedbackLink, paper: ThePaper, form: Posted) -> Response:
    """Do what the pressed button says."""
    return _answer(link, paper, form)


@router.post("/feedback/{token}/{kind:feedback}/{paper_id:path}")
def give_feedback_of_link(link: FeedbackLink, paper: ThePaper, kind: FeedbackKind, form: Posted) -> Response:
    """Do what the pressed button says; without one, what the link says, as in emails of earlier versions."""
    return _answer(link, paper, form, kind)


def _answer(link: PersonalLink, paper: Paper, form: Form, kind: FeedbackKind | None = None) -> Response:
    try:
        notice, undo = _do(link, paper, form, kind)
    except NotTaken as problem:
        return _show_paper(link, paper, error=problem.words)
    return _show_paper(link.reloaded(), paper, notice=notice, undo=undo)


def _do(link: PersonalLink, paper: Paper, form: Form, kind: FeedbackKind | None) -> tuple[Message, tuple[str, str]]:
    """Apply the pressed button; returns a notice and the button that undoes it (name, value). Raises NotTaken."""
    engine, subscriber_id, now = link.site.engine, link.subscriber.id, clock.now()
    if topic := topic_with(value(form, "mute")):
        paper_feedback.mute(engine, subscriber_id, topic, now)
        return _("We won’t send you papers on %(topic)s any more.", topic=topic.name), ("unmute", topic.slug)
    if topic := topic_with(value(form, "unmute")):
        return _unmute(link, topic), ("mute", topic.slug)
    if value(form, "vote") == "yes" and link.site.takes_suggestions:
        community.vote(engine, subscriber_id, paper.id, now)
        return _("Your vote has been counted."), ("vote", "no")
    if value(form, "vote") == "no":
        community.take_vote_back(engine, subscriber_id, paper.id)
        return _("Your vote has been removed."), ("vote", "yes")
    if value(form, "save") in ("yes", "no"):
        return _save(link, paper, form)
    if value(form, "undo"):
        paper_feedback.take_back(engine, subscriber_id, paper.id)
        return _("Undone. We’ve removed your feedback on this paper."), ("", "")
    pressed = value(form, "say") or kind
    if pressed not in set(FeedbackKind) or {"mute", "unmute", "vote", "save"} & form.keys():
        raise NotTaken(_("Use one of the buttons."))
    paper_feedback.give(engine, subscriber_id, paper.id, FeedbackKind(pressed), now)
    return _NOTICES[FeedbackKind(pressed)], ("undo", "yes")


def _save(link: PersonalLink, paper: Paper, form: Form) -> tuple[Message, tuple[str, str]]:
    """Neither answer says whether the paper was on the list before: the link may have been forwarded."""
    if value(form, "save") == "no":
        saved.unsave(link.site.engine, link.subscriber.id, paper.id)
        return _("This paper isn’t on your saved list any more."), ("save", "yes")
    saved.save(link.site.engine, link.subscriber.id, paper.id, clock.now())
    return _("Saved for later. To see your saved papers, ask for a link in your preferences."), ("save", "no")


def _unmute(link: PersonalLink, topic: Topic) -> Message:
    paper_feedback.mute(link.site.engine, link.subscriber.id, topic, clock.now(), muted=False)
    return _("We may send you papers on %(topic)s again.", topic=topic.name)


def _show_paper(
    link: PersonalLink,
    paper: Paper,
    notice: str = "",
    undo: tuple[str, str] = ("", ""),
    error: str = "",
) -> Response:
    with read_only(link.site.engine) as connection:
        given = feedback_on(connection, link.subscriber.id, paper.id)
    votes = link.site.takes_suggestions
    return link.show(
        "feedback",
        400 if error else 200,
        card=paper_card(paper),
        labels=LABELS,
        given=given.kind if given else None,
        topics_here=[topic for topic in topics_of(paper) if topic.slug not in link.subscriber.preferences.muted_topics],
        notice=notice,
        undo=undo,
        error=error,
        votes=votes,
        voted=votes and community.has_voted(link.site.engine, link.subscriber, paper.id),
    )


# --- all of it ---


@router.page("/feedback/{token}")
def my_feedback_page(link: FreshOrFeedbackLink) -> Response:
    """A subscriber's feedback, and what we make of it; muted topics alone for a link that may have been forwarded."""
    return _show_all(link)


@router.post("/feedback/{token}")
def change_feedback(link: FreshOrFeedbackLink, form: Posted) -> Response:
    """Forget the feedback on one paper, or all of it; unmute a topic."""
    engine, subscriber_id = link.site.engine, link.subscriber.id
    notice, error = "", ""
    if {"forget", "action"} & form.keys() and not link.is_fresh:
        raise HTTPException(403, _("Nothing has changed. Go back to your preferences and ask for a new link."))
    if paper_id := value(form, "forget"):
        forgotten = paper_feedback.take_back(engine, subscriber_id, paper_id)
        notice = _("Undone.") if forgotten else _("There’s nothing to undo.")
    elif topic := topic_with(value(form, "unmute")):
        notice = _unmute(link, topic)
    elif value(form, "action") == "reset" and value(form, "sure") == "yes":
        notice = _(
            "Feedback cleared (%(count)s).",
            count=paper_feedback.delete_all_feedback(engine, subscriber_id, clock.now()),
        )
    elif value(form, "action") == "reset":
        error = _("Tick the box to confirm. This can’t be undone.")
    return _show_all(link.reloaded(), notice, error)


def _show_all(link: PersonalLink, notice: str = "", error: str = "") -> Response:
    summary = feedback_summary(link.site.engine, link.subscriber)
    return link.show(
        "my_feedback",
        400 if error else 200,
        summary=summary,
        is_fresh=link.is_fresh,
        feedback_token=link.sign(Purpose.FEEDBACK, link.token.issued),
        liked=topics_with_counts(summary.liked),
        cards={paper_id: paper_card(paper) for paper_id, paper in summary.papers.items()},
        labels=LABELS,
        notice=notice,
        errors={"sure": error} if error else {},
        suggesting=link.site.takes_suggestions,
    )


def topics_with_counts(counted: Iterable[tuple[Topic, int]]) -> list[Message]:
    """`Robotics (12)`."""
    return [_("%(topic)s (%(papers)s)", topic=topic.name, papers=count) for topic, count in counted]
