"""Issues as they are stored: every version reads what every other wrote."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete

from digest.database.engine import read_only, transaction
from digest.database.tables import pools, votes
from digest.issues.issue import IssueSettings
from digest.issues.publish import best_papers
from digest.issues.selection import RULES
from digest.issues.store import issue_on, ranked_with, settings_as_json, settings_of
from digest.mail.preview import body_of, preview_message
from digest.papers.paper import Votes
from digest.papers.score_terms import ScoreTerms
from digest.papers.store import keep_votes
from tests.support.scenario import DAY, MORNING, PLAN, add_papers, add_subscriber, cut, desk, paper

# The settings of a catch-up issue, as the first version that cut one wrote them.
STORED = {
    "title": "Daily Papers",
    "public_url": "https://papers.example.org",
    "postal_address": "1 Lab Street, Ghent",
    "contact": "",
    "sender": "Daily Papers <papers@example.org>",
    "reply_to": "",
    "link_key": "0123456789abcdef",
    "dkim": "rsa1 ed1",
    "language": "zh-CN",
    "pool_days": "7",
    "overlap_days": "5",
    "note zh-CN": "最近 7 天没有新论文。",
}


def test_settings_that_were_stored_are_read_and_written_as_they_were():
    settings = settings_of(STORED)
    assert settings.dkim == ("rsa1", "ed1")
    assert (settings.pool_days, settings.overlap_days) == (7, 5)
    assert settings.notes == {"zh-CN": "最近 7 天没有新论文。"}
    assert settings_as_json(settings) == STORED | {"link_ends": "", "rules": "", "unsubscribe_address": ""}


def test_settings_of_an_issue_cut_before_there_were_keys_languages_and_catch_ups_are_read():
    first = ("title", "public_url", "postal_address", "contact", "sender", "reply_to")
    settings = settings_of({name: STORED[name] for name in first})
    assert (settings.link_key, settings.dkim, settings.language) == ("", (), "en")
    assert (settings.pool_days, settings.overlap_days, settings.notes) == (30, 0, {})


def test_an_issue_that_was_cut_has_the_settings_of_its_plan(engine):
    add_papers(engine, range(12))
    cut(engine)
    with read_only(engine) as connection:
        issue = issue_on(connection, "daily", DAY)
    assert issue.settings == replace(PLAN.settings, pool_days=PLAN.pool_days, rules=RULES)
    assert issue.settings != IssueSettings()


def message(engine, subscriber):
    with read_only(engine) as connection:
        issue = issue_on(connection, "daily", DAY)
    return body_of(preview_message(engine, desk(), issue, subscriber, MORNING), "text").replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("hours_ago", "words"),
    [
        ((1,), "▲ 31 votes\n"),
        ((25, 1), "▲ 31 votes, +12 since yesterday\n"),
        ((25, 13, 1), "▲ 31 votes, +12 since yesterday\n"),
        ((60, 1), "▲ 31 votes\n"),  # nobody looked a day ago
    ],
)
def test_a_message_says_how_many_votes_were_cast_since_yesterday(engine, hours_ago, words):
    subscriber = add_subscriber(engine, "ada@example.org")
    add_papers(engine, range(1), seen_at=MORNING - timedelta(hours=hours_ago[0]))
    counts = (*range(19, 18 + len(hours_ago)), 31)
    with transaction(engine) as connection:
        connection.execute(delete(votes))
        keep_votes(
            connection,
            [
                Votes(paper(0).id, "huggingface", MORNING - timedelta(hours=hours), count)
                for hours, count in zip(hours_ago, counts, strict=True)
            ],
        )
    cut(engine)
    assert words in message(engine, subscriber)


def test_terms_of_an_earlier_formula_are_kept_as_they_were_stored():
    stored = {"upvotes": 3.0, "points": 4.0, "decay": 2.0, "score": 2.0}
    terms = ScoreTerms.from_dict(stored)
    assert (terms.upvotes, terms.score, terms.gained) == (3.0, 2.0, None)
    assert terms.as_dict() == stored


def test_terms_of_an_issue_cut_before_votes_of_the_last_day_were_counted_are_kept_as_they_were_stored(engine):
    add_papers(engine, range(3))
    cut(engine)
    with read_only(engine) as connection:
        stored = issue_on(connection, "daily", DAY).papers[0].terms.as_dict()
    assert stored.pop("gained", None) is None
    assert ScoreTerms.from_dict(stored).as_dict() == stored
    assert not ScoreTerms.from_dict(stored).earlier


# --- the pool beyond the best ---

SHOWS_THREE = replace(PLAN, papers=3)


def test_an_issue_keeps_its_whole_pool_as_it_was_ranked(engine):
    add_papers(engine, range(8), title="Weiß “quoted” \\ 論文", keywords=("a", "b"))
    with transaction(engine) as connection:
        keep_votes(connection, [Votes(paper(7).id, "hackernews", MORNING, 3)])
    with read_only(engine) as connection:
        ranked = best_papers(connection, replace(PLAN, papers=8), DAY, MORNING)
    cut(engine, plan=SHOWS_THREE)
    add_papers(engine, range(8), seen_at=MORNING + timedelta(hours=1), title="Changed since")
    with read_only(engine) as connection:
        shown, whole = (issue_on(connection, "daily", DAY, whole) for whole in (False, True))
        some = ranked_with(connection, shown, [ranked[1].paper.id, ranked[6].paper.id, "of another issue"])
    assert (len(ranked), shown.papers, shown.others) == (8, ranked[:3], ())
    assert (whole.papers, whole.others, whole.pool) == (ranked[:3], ranked[3:], ranked)
    assert some == {entry.paper.id: entry for entry in (ranked[1], ranked[6])}


def test_an_issue_of_an_earlier_version_has_no_papers_beyond_the_best(engine):
    add_papers(engine, range(8))
    cut(engine, plan=SHOWS_THREE)
    with transaction(engine) as connection:
        connection.execute(delete(pools))
        issue = issue_on(connection, "daily", DAY, whole=True)
        assert len(issue.pool) == 3
        assert ranked_with(connection, issue, [paper(7).id]) == {}
