"""Lists from real days: who brings a library gets their subject, with votes and without."""

import gzip
import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

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

FIRST, UNVOTED, VOTED = date(2026, 5, 18), date(2026, 5, 26), date(2026, 5, 27)
A_WEEK = replace(PLAN, pool_days=7, floor=FLOOR)
SUBJECTS = {  # words of title and abstract, a first category, and how many papers of the first days are liked
    "robots": (r"\brobot|manipulation polic|vision-language-action|\bVLA\b|humanoid|legged|grasp", "cs.RO", 8),
    "medical imaging": (
        r"medical imag|radiolog|\bMRI\b|\bCT\b|ultrasound|patholog|endoscop|tomograph|lesion", "eess.IV", 20,
    ),
    "speech": (r"speech|\bASR\b|\bTTS\b|speaker|voice|audio", "cs.SD", 20),
}  # fmt: skip


def lines(path):
    with gzip.open(path, "rt") as rows:
        return [json.loads(line) for line in rows]


def is_about(subject, row):
    words, category, _liked = SUBJECTS[subject]
    text = f"{row['title']} {row['summary']}"
    return bool(re.search(words, text, re.IGNORECASE)) or row.get("categories", [""])[0] == category


def library(arxiv, subject):
    words, _category, liked = SUBJECTS[subject]
    return [row["id"] for row in arxiv if re.search(words, row["title"], re.IGNORECASE)][:liked]


def collect(engine, source, rows, seen_at):
    papers = [
        Paper(row["id"], row["title"], row["summary"], authors=tuple(row["authors"]),
              categories=tuple(row.get("categories", ())), listed_at=seen_at)
        for row in rows
    ]  # fmt: skip
    votes = [Votes(row["id"], source, seen_at, row["upvotes"]) for row in rows if "upvotes" in row]
    with transaction(engine) as connection:
        keep_papers(connection, source, seen_at, papers)
        keep_votes(connection, votes)


def at(day, hour):
    return datetime.combine(day, time(hour), UTC)


def lists_of(engine, subscribers, day):
    """Cut the issue of a day; each subscriber's list for each balance, as of someone who has had an email before."""
    cut(engine, day, at(day, 12), A_WEEK)
    with read_only(engine) as connection:
        issue = issue_on(connection, "daily", day)
    cached = IssueCache(engine, LANGUAGES).get(issue.id)
    for subject, subscriber in subscribers.items():
        with read_only(engine) as connection:
            delivery = find(connection, Kind.DIGEST, day, subscriber.key)
            history = histories(connection, "", [delivery], lambda _issue_id: cached)[delivery.id]
        history = replace(history, last_message=day - timedelta(days=1))
        for balance in Balance:
            preferences = replace(subscriber.preferences, balance=balance)
            yield subject, balance, issue, papers_for(cached, preferences, history).picks


@pytest.mark.long
@ON_SQLITE
def test_a_library_on_a_subject_brings_its_papers_and_the_days_two_best_stay(engine, shared_data):
    every = lines(shared_data / "arxiv" / "listings_2026-04_2026-05.jsonl.gz")
    arxiv = [row for row in every if FIRST.isoformat() <= row["first_listed"] <= VOTED.isoformat()]
    voted = [row for row in lines(shared_data / "hf" / "daily_papers.jsonl.gz") if row["date"] == VOTED.isoformat()]
    rows = {row["id"]: row for row in (*arxiv, *voted)}
    for day, listed in groupby(arxiv, key=lambda row: row["first_listed"]):
        collect(engine, "arxiv", list(listed), at(date.fromisoformat(day), 2))
    subscribers = {subject: add_subscriber(engine, f"{number}@example.com") for number, subject in enumerate(SUBJECTS)}
    with transaction(engine) as connection:
        for subject, subscriber in subscribers.items():
            for paper_id in library(arxiv, subject):
                keep(connection, subscriber.id, PaperFeedback(paper_id, FeedbackKind.MORE, at(UNVOTED, 3)))
    renew_space(engine, at(UNVOTED, 4))
    refresh_profiles(engine, at(UNVOTED, 4))

    def on_subject(subject, picks):
        liked = [pick for pick in picks if pick.why.startswith("like ") and pick.why.endswith("you liked")]
        return len([pick for pick in liked if is_about(subject, rows[pick.paper_id])])

    for subject, balance, _issue, picks in lists_of(engine, subscribers, UNVOTED):
        if balance is not Balance.BEST:
            fewest = 0.9 * len(picks) if balance is Balance.ONLY else 8
            assert picks
            assert on_subject(subject, picks) >= fewest, (
                subject,
                balance,
                [rows[pick.paper_id]["title"] for pick in picks],
            )
    collect(engine, "huggingface", voted, at(VOTED, 11))
    for subject, balance, issue, picks in lists_of(engine, subscribers, VOTED):
        fewest = {Balance.BEST: 0, Balance.BOTH: 5, Balance.MINE: 8, Balance.ONLY: 0.9 * len(picks)}[balance]
        assert on_subject(subject, picks) >= fewest, (
            subject,
            balance,
            [rows[pick.paper_id]["title"] for pick in picks],
        )
        if balance in (Balance.BEST, Balance.BOTH):
            assert {ranked.paper.id for ranked in issue.papers[:2]} <= {pick.paper_id for pick in picks}
