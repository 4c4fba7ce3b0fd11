"""Issues as they are stored: every version reads what every other wrote."""

from dataclasses import replace

from digest.database.engine import read_only
from digest.issues.issue import IssueSettings
from digest.issues.store import issue_on, settings_as_json, settings_of
from tests.support.scenario import DAY, PLAN, add_papers, cut

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
    assert settings_as_json(settings) == STORED


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
    assert issue.settings == replace(PLAN.settings, pool_days=PLAN.pool_days)
    assert issue.settings != IssueSettings()
