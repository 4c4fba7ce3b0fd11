"""Lists from real days: who brings a library gets their subject, and the day's two best stay."""

import gzip
import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from digest.database.engine import read_only, transaction
from digest.issues.profiles import refresh_profiles, renew_space
from digest.issues.selection import IssueCache, histories, papers_for
from digest.issues.store import issue_on
from digest.ledger.deliveries import find
from digest.ledger.kinds import Kind
from digest.papers.paper import Paper, Votes
from digest.papers.ranking import FLOOR
from digest.papers.store import keep_papers, keep_votes
from digest.subscribers.paper_feedback import FeedbackKind, PaperFeedback, keep
from digest.subscribers.subscriber import Balance
from tests.support.scenario import LANGUAGES, ON_SQLITE, PLAN, add_subscriber, cut

DAY = date(2026, 5, 19)
NOON = datetime(2026, 5, 19, 12, tzinfo=UTC)
# With so few papers, a space has no encoder and finds no robots: those take a pool of some days, and half a minute.
SUBJECTS = {
    "medical imaging": r"medical imag|radiolog|\bMRI\b|\bCT\b|ultrasound|patholog|x-ray|endoscop|tomograph|lesion",
    "speech": r"speech|\bASR\b|\bTTS\b|speaker|voice|audio",
}
LIBRARY = 20


def lines(path):
    with gzip.open(path, "rt") as rows:
        return [json.loads(line) for line in rows]


def listed(row, seen_at):
    categories = tuple(row.get("categories", ()))
    return Paper(row["id"], row["title"], row["summary"], "", tuple(row["authors"]), "", "", categories, (), seen_at)


@pytest.fixture(scope="module")
def days(shared_data):
    """What arXiv listed until that day, and what Hugging Face did on it."""
    arxiv = lines(shared_data / "arxiv" / "listings_2026-04_2026-05.jsonl.gz")
    voted = [row for row in lines(shared_data / "hf" / "daily_papers.jsonl.gz") if row["date"] == DAY.isoformat()]
    return arxiv, voted


def library(arxiv, subject):
    about = re.compile(SUBJECTS[subject], re.IGNORECASE)
    return [row for row in arxiv if row["first_listed"] < "2026-05-10" and about.search(row["title"])][-LIBRARY:]


def chosen(engine, issue, subscriber, balance):
    """The list of a subscriber who has had an email before."""
    cached = IssueCache(engine, LANGUAGES).get(issue.id)
    with read_only(engine) as connection:
        delivery = find(connection, Kind.DIGEST, DAY, subscriber.key)
        history = histories(connection, "", [delivery], lambda _issue_id: cached)[delivery.id]
    history = replace(history, last_message=DAY - timedelta(days=1))
    return papers_for(cached, replace(subscriber.preferences, balance=balance), history).picks


@ON_SQLITE
@pytest.mark.parametrize("has_votes", [True, False])
def test_a_library_on_a_subject_brings_the_papers_of_the_day_about_it(engine, days, has_votes):
    arxiv, voted = days
    morning = NOON - timedelta(hours=10)
    today = [row for row in arxiv if row["first_listed"] == DAY.isoformat()]
    liked = {subject: library(arxiv, subject) for subject in SUBJECTS}
    subscribers = {subject: add_subscriber(engine, f"{number}@example.com") for number, subject in enumerate(SUBJECTS)}
    with transaction(engine) as connection:
        for subject, rows in liked.items():
            before = NOON - timedelta(days=20)
            keep_papers(connection, "arxiv", before, [listed(row, before) for row in rows])
            for row in rows:
                keep(connection, subscribers[subject].id, PaperFeedback(row["id"], FeedbackKind.MORE, morning))
        keep_papers(connection, "arxiv", morning, [listed(row, morning) for row in today])
        if has_votes:
            keep_papers(connection, "huggingface", morning, [listed(row, morning) for row in voted])
            votes = [Votes(row["id"], "huggingface", NOON - timedelta(hours=1), row["upvotes"]) for row in voted]
            keep_votes(connection, votes)
    renew_space(engine, NOON)
    refresh_profiles(engine, NOON)
    cut(engine, DAY, NOON, replace(PLAN, floor=FLOOR))
    with read_only(engine) as connection:
        issue = issue_on(connection, "daily", DAY)
    two_best = {ranked.paper.id for ranked in issue.papers[:2]}
    texts = {row["id"]: f"{row['title']} {row['summary']}" for row in (*today, *voted)}
    for subject, subscriber in subscribers.items():
        about = re.compile(SUBJECTS[subject], re.IGNORECASE)
        for balance, fewest in ((Balance.BOTH, 5 if has_votes else 7), (Balance.MINE, 7)):
            picks = chosen(engine, issue, subscriber, balance)
            on_subject = [pick for pick in picks if about.search(texts[pick.paper_id])]
            assert len(on_subject) >= fewest, (subject, balance, [texts[pick.paper_id][:60] for pick in picks])
            assert len([pick for pick in on_subject if "you liked" in pick.why]) >= fewest, (subject, balance)
            if has_votes and balance is Balance.BOTH:
                assert two_best <= {pick.paper_id for pick in picks}
