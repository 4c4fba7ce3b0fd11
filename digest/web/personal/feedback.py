"""Behind the links of a mail's papers: more like this, less, already read; and what that has told us so far.

Opening a link only shows buttons. A token is for one reader and not for one paper. Whoever has it can say something of
any paper of the archive, which the reader sees on their page of taste and can undo, and can see the lists that were
mailed to the reader (sent.py). It opens nothing else of theirs.
"""

from collections.abc import Mapping
from datetime import datetime

from fastapi import APIRouter, HTTPException, Response

from digest import clock
from digest.database.engine import read_only
from digest.issues.profiles.summary import feedback_summary
from digest.language import Message, _
from digest.papers.paper import Paper
from digest.papers.sources import suggestions
from digest.papers.store import papers_with
from digest.papers.topics import Topic, topic_with, topics_of
from digest.subscribers import community, feedback, subscriptions
from digest.subscribers.community import NotTaken
from digest.subscribers.paper_feedback import FeedbackKind, feedback_on
from digest.subscribers.subscriber import Subscriber
from digest.subscribers.tokens import FEEDBACK_FOR, Purpose, verify
from digest.web.cards import paper_card
from digest.web.site import Posted, Site, TheSite, one

WORDS = {
    FeedbackKind.MORE: _("More like this"),
    FeedbackKind.LESS: _("Less like this"),
    FeedbackKind.READ: _("Already read"),
}
NOTED = {
    FeedbackKind.MORE: _("Got it: more papers like this."),
    FeedbackKind.LESS: _("Got it: fewer papers like this. We won’t send you this one again."),
    FeedbackKind.READ: _("Marked as read. We won’t send you this paper again."),
}

router = APIRouter()


def reader_of(site: Site, token: str) -> Subscriber | Response:
    """The reader whose feedback link this is, or the page that says why it opens nothing."""
    reader = site.reader(Purpose.FEEDBACK, token)
    if reader is None:
        return site.pages.show("lost", 404)
    if verify(Purpose.FEEDBACK, token, site.keys, clock.now(), FEEDBACK_FOR) is None:
        return site.speaking_to(reader).pages.say(
            _("This link has expired"), _("Nothing has changed. Use the links in a more recent email."), status=410
        )
    return reader


# --- one paper ---


@router.api_route("/feedback/{token}/{said}/{paper_id:path}", methods=["GET", "HEAD"])
def paper_page(site: TheSite, token: str, said: str, paper_id: str) -> Response:
    """The paper, and a button for each thing that can be said of it."""
    found = _found(site, token, said, paper_id)
    return found if isinstance(found, Response) else _show(site, token, *found, said=FeedbackKind(said))


@router.post("/feedback/{token}/{said}/{paper_id:path}")
def answer(site: TheSite, token: str, said: str, paper_id: str, form: Posted) -> Response:
    """Do what the pressed button says; without a word, what the link says."""
    found = _found(site, token, said, paper_id)
    if isinstance(found, Response):
        return found
    reader, paper = found
    try:
        told, undo = _do(site, reader, paper, form, FeedbackKind(said), clock.now())
    except NotTaken as problem:
        return _show(site, token, reader, paper, said=FeedbackKind(said), error=problem.words)
    reader = subscriptions.find(site.engine, reader.id) or reader
    return _show(site, token, reader, paper, said=FeedbackKind(said), told=told, undo=undo)


def _do(
    site: Site, reader: Subscriber, paper: Paper, form: Mapping[str, list[str]], linked: FeedbackKind, now: datetime
) -> tuple[Message, tuple[str, str]]:
    """What was done, in words, and the name and value of the button that undoes it. Raises NotTaken."""
    if topic := topic_with(one(form, "mute")):
        feedback.mute(site.engine, reader.id, topic, now)
        return _("We won’t send you papers on %(topic)s any more.", topic=topic.name), ("unmute", topic.slug)
    if topic := topic_with(one(form, "unmute")):
        feedback.unmute(site.engine, reader.id, topic, now)
        return _heard_again(topic), ("mute", topic.slug)
    if one(form, "vote") == "yes" and suggestions.NAME in site.settings.sources:
        community.vote(site.engine, reader.id, paper.id, now)
        return _("Your vote has been counted."), ("vote", "no")
    if one(form, "vote") == "no":
        community.take_vote_back(site.engine, reader.id, paper.id)
        return _("Your vote has been removed."), ("vote", "yes")
    if one(form, "undo"):
        feedback.take_back(site.engine, reader.id, paper.id)
        return _("Undone. We’ve removed your feedback on this paper."), ("", "")
    word = one(form, "say") or linked
    if word not in set(FeedbackKind) or {"mute", "unmute", "vote"} & form.keys():
        raise NotTaken(_("Use one of the buttons."))
    feedback.give(site.engine, reader.id, paper.id, FeedbackKind(word), now)
    return NOTED[FeedbackKind(word)], ("undo", "yes")


def _heard_again(topic: Topic) -> Message:
    return _("We may send you papers on %(topic)s again.", topic=topic.name)


def _found(site: Site, token: str, said: str, paper_id: str) -> tuple[Subscriber, Paper] | Response:
    reader = reader_of(site, token)
    if isinstance(reader, Response):
        return reader
    if said not in set(FeedbackKind):
        raise HTTPException(404)
    with read_only(site.engine) as connection:
        known = len(paper_id) <= 80 and paper_id.isprintable() and papers_with(connection, [paper_id])
    if not known:
        return site.speaking_to(reader).pages.say(
            _("We don’t have this paper"),
            _("It isn’t in our archive, or no longer is, so we couldn’t save your feedback. Nothing has changed."),
            status=404,
        )
    return reader, known[paper_id]


def _show(
    site: Site,
    token: str,
    reader: Subscriber,
    paper: Paper,
    *,
    said: FeedbackKind,
    told: str = "",
    undo: tuple[str, str] = ("", ""),
    error: str = "",
) -> Response:
    with read_only(site.engine) as connection:
        opinion = feedback_on(connection, reader.id, paper.id)
    votes = suggestions.NAME in site.settings.sources
    return site.speaking_to(reader).pages.show(
        "feedback",
        400 if error else 200,
        card=paper_card(paper),
        words=WORDS,
        said=said,
        now_said=opinion.kind if opinion else None,
        topics_here=[topic for topic in topics_of(paper) if topic.slug not in reader.preferences.muted_topics],
        told=told,
        undo=undo,
        error=error,
        votes=votes,
        voted=votes and community.has_voted(site.engine, reader, paper.id),
        token=token,
    )


# --- taste ---


@router.api_route("/feedback/{token}", methods=["GET", "HEAD"])
def taste_page(site: TheSite, token: str) -> Response:
    """What we know of a reader's taste."""
    reader = reader_of(site, token)
    return reader if isinstance(reader, Response) else _show_taste(site, token, reader)


@router.post("/feedback/{token}")
def change_taste(site: TheSite, token: str, form: Posted) -> Response:
    """Forget one opinion, or all; hear of a topic again."""
    reader = reader_of(site, token)
    if isinstance(reader, Response):
        return reader
    told, error, now = "", "", clock.now()
    if paper_id := one(form, "forget"):
        forgotten = feedback.take_back(site.engine, reader.id, paper_id)
        told = _("Undone.") if forgotten else _("There’s nothing to undo.")
    elif topic := topic_with(one(form, "unmute")):
        feedback.unmute(site.engine, reader.id, topic, now)
        told = _heard_again(topic)
    elif one(form, "action") == "reset" and one(form, "sure") == "yes":
        told = _("Feedback cleared (%(count)s).", count=feedback.forget_all(site.engine, reader.id, now))
    elif one(form, "action") == "reset":
        error = _("Tick the box to confirm. This can’t be undone.")
    return _show_taste(site, token, subscriptions.find(site.engine, reader.id) or reader, told=told, error=error)


def _show_taste(site: Site, token: str, reader: Subscriber, told: str = "", error: str = "") -> Response:
    taste = feedback_summary(site.engine, reader)
    cards = {paper_id: paper_card(paper) for paper_id, paper in taste.papers.items()}
    return site.speaking_to(reader).pages.show(
        "taste",
        400 if error else 200,
        taste=taste,
        liked=[_("%(topic)s (%(papers)s)", topic=topic.name, papers=count) for topic, count in taste.liked],
        cards=cards,
        words=WORDS,
        told=told,
        errors={"sure": error} if error else {},
        suggesting=suggestions.NAME in site.settings.sources,
        token=token,
    )
