"""Summaries by a language model, from its answers over HTTP to the bytes of emails and pages."""

import email
import json
from dataclasses import replace
from datetime import timedelta
from email.policy import default

import pytest
from sqlalchemy import select, update
from starlette.testclient import TestClient

from digest.database.engine import read_only, transaction
from digest.database.tables import events, model_summaries
from digest.issues.publish import publish
from digest.issues.selection import Pick, Selection
from digest.issues.store import issue_on
from digest.issues.summaries import SummaryPlan, summarise, summarise_coming, summary_record
from digest.monitoring.metrics import families, measure
from digest.papers.summaries.client import MAX_BYTES, LanguageModel
from digest.papers.summaries.store import requests_since
from digest.papers.summaries.writing import month_of
from digest.settings import Settings
from digest.web.app import create_app
from tests.mail.builders import a_composer, a_draft
from tests.mail.rules import broken
from tests.support.language_model import CHINESE, ENGLISH, Raw, model_server, says
from tests.support.scenario import DAY, MORNING, ON_SQLITE, PLAN, SECRET, add_papers, add_subscriber, desk

KEY = "sk-never-to-be-seen"
EVENING = MORNING - timedelta(minutes=30)  # within the hour before the cut


@pytest.fixture
def model():
    with model_server() as server:
        yield server


def plan_for(model, monthly=100, seconds=5.0):
    return SummaryPlan(LanguageModel(model.url, "tiny-1", KEY, seconds), monthly, seconds)


def fill(engine, count=3, chinese=True, **fields):
    add_papers(engine, range(1, count + 1), MORNING - timedelta(hours=5), **fields)
    add_subscriber(engine, "ada@example.org")
    if chinese:
        add_subscriber(engine, "bo@example.org", language="zh-CN")


def cut_with(engine, model, now=MORNING, **limits):
    summarise(engine, PLAN, plan_for(model, **limits), DAY, lambda: now)
    publish(engine, PLAN, DAY, now)
    return stored_issue(engine)


def stored_issue(engine):
    with read_only(engine) as connection:
        return issue_on(connection, "daily", DAY)


def record(engine):
    with read_only(engine) as connection:
        return summary_record(connection, DAY)


def parts_of(issue, language):
    picks = tuple(Pick(ranked.paper.id, "") for ranked in issue.papers)
    message = a_composer(issue, desk(), language).compose(a_draft(issue, Selection(picks))).envelope.message
    parsed = email.message_from_bytes(message, policy=default)
    return message, [parsed.get_body((kind,)).get_content() for kind in ("plain", "html")]


def test_every_paper_gets_one_sentence_in_each_language_that_is_read_whoever_gets_it(engine, model):
    fill(engine)
    issue = cut_with(engine, model)
    assert len(model.requests) == 6
    assert model.headers[0]["authorization"] == f"Bearer {KEY}"
    assert model.requests[0]["model"] == "tiny-1"
    number = issue.papers[0].paper.title.rpartition(" ")[2]
    for language, sentence, label in (("en", ENGLISH, "Summary by tiny-1"), ("zh-CN", CHINESE, "摘要由 tiny-1 生成")):
        message, parts = parts_of(issue, language)
        for part in parts:
            assert sentence.format(number=number) in " ".join(part.split()).replace(" ，", "，")
            assert part.count(label) == 3
        assert broken(message) == []
    assert record(engine).line == "Summaries by tiny-1: 6 of 6."


def test_retries_and_old_issues_keep_their_bytes_whatever_is_stored_later(engine, model):
    fill(engine)
    before = parts_of(cut_with(engine, model), "en")[0]
    with transaction(engine) as connection:
        connection.execute(update(model_summaries).values(text="Another sentence.", model="other"))
    assert parts_of(stored_issue(engine), "en")[0] == before


def test_the_summary_of_a_source_is_kept_in_its_language(engine, model):
    fill(engine, summary="Somebody wrote this sentence about the paper.")
    issue = cut_with(engine, model)
    assert len(model.requests) == 3
    assert "Somebody wrote this sentence" in parts_of(issue, "en")[1][0]
    assert "tiny-1" not in parts_of(issue, "en")[1][0]
    assert parts_of(issue, "zh-CN")[1][0].count("摘要由 tiny-1 生成") == 3


def test_pages_and_feeds_say_who_wrote_it(engine, model):
    fill(engine)
    issue = cut_with(engine, model)
    settings = Settings(secret_key=SECRET.decode(), public_url="https://papers.example.org")
    pages = TestClient(create_app(engine, settings, lambda: None), "https://papers.example.org")
    number = issue.papers[0].paper.title.rpartition(" ")[2]
    for path in (issue.path, issue.papers[0].paper.path):
        assert ENGLISH.format(number=number) in pages.get(path).text
        assert "Summary by tiny-1" in pages.get(path).text
        assert CHINESE.format(number=number) in pages.get(path, params={"lang": "zh-CN"}).text
        assert "摘要由 tiny-1 生成" in pages.get(path, params={"lang": "zh-CN"}).text
    assert f"{ENGLISH.format(number=number)} (Summary by tiny-1)" in pages.get("/feed.atom").text


BAD = {
    "429": Raw(429, b"{}", {"retry-after": "60"}),
    "a fault": Raw(500, b"oops"),
    "a wrong key": Raw(401, b"{}"),
    "a redirect": Raw(302, b"", {"location": "http://127.0.0.1:1/v1/chat/completions"}),
    "broken JSON": Raw(body=b'{"choices": [{"mess'),
    "deep JSON": Raw(body=b"[" * 100_000),
    "another shape": Raw(body=b'{"choices": []}'),
    "no text": says(None),
    "a huge answer": Raw(body=says("The authors show what this paper found out before.").body + b" " * MAX_BYTES),
    "a broken answer": Raw(body=b"{}", headers={"content-length": "500", "connection": "close"}),
    "nothing": says(""),
    "a script": says("This paper <script>alert(1)</script> number found out."),
    "a link": says("What paper number found out is at https://evil.example now."),
    "another language": says("本文提出了一种全新的排序方法，效果显著。"),
}


@ON_SQLITE
@pytest.mark.parametrize("answer", BAD.values(), ids=BAD)
def test_without_a_usable_answer_the_sentence_of_the_abstract_stands_and_the_record_says_why(engine, model, answer):
    fill(engine, 2, chinese=False)
    model.answer = lambda _request: answer
    issue = cut_with(engine, model)
    text = parts_of(issue, "en")[1][0]
    assert text.count("What paper") == 2
    assert "tiny-1" not in text
    assert "evil" not in text
    assert (record(engine).written, record(engine).missing) == (0, 2)
    assert record(engine).problem
    with read_only(engine) as connection:
        details = json.dumps(list(connection.scalars(select(events.c.detail))))
        problems = " ".join(connection.scalars(select(model_summaries.c.problem)))
    assert KEY not in details + problems


@ON_SQLITE
def test_a_silent_model_costs_the_cut_no_more_than_its_time(engine, model):
    fill(engine, chinese=False)
    model.answer = lambda _request: replace(says("x"), seconds=20)
    issue = cut_with(engine, model, seconds=1.2)
    assert len(model.requests) == 1
    assert "did not answer within 1 seconds" in record(engine).problem
    assert len(issue.papers) == 3


@ON_SQLITE
def test_a_model_that_is_away_is_left_alone_for_a_while(engine, model):
    fill(engine, chinese=False)
    model.answer = lambda _request: Raw(500)
    summarise_coming(engine, PLAN, plan_for(model), lambda: EVENING)
    assert len(model.requests) == 2
    summarise_coming(engine, PLAN, plan_for(model), lambda: EVENING + timedelta(minutes=5))
    assert len(model.requests) == 2
    summarise_coming(engine, PLAN, plan_for(model), lambda: EVENING + timedelta(minutes=11))
    assert len(model.requests) == 4
    assert model.asked_about[2] not in model.asked_about[:2]  # the others first


@ON_SQLITE
def test_they_are_written_in_the_hour_before_the_cut_and_not_asked_for_again(engine, model):
    fill(engine, chinese=False)
    summarise_coming(engine, PLAN, plan_for(model), lambda: MORNING - timedelta(hours=2))
    assert model.requests == []
    summarise_coming(engine, PLAN, plan_for(model), lambda: EVENING)
    assert len(model.requests) == 3
    assert "Summary by tiny-1" in parts_of(cut_with(engine, model), "en")[1][0]
    assert len(model.requests) == 3
    assert record(engine).line == "Summaries by tiny-1: 3 of 3."


class _KilledError(BaseException):
    """Ends a run in the middle, as a signal would."""


@ON_SQLITE
def test_a_run_that_is_killed_in_the_middle_asks_nothing_again_that_was_answered(engine, model, monkeypatch):
    fill(engine, chinese=False)
    ask = LanguageModel.answer

    def killed(self, *about):
        if len(model.requests) == 2:
            raise _KilledError
        return ask(self, *about)

    monkeypatch.setattr(LanguageModel, "answer", killed)
    with pytest.raises(_KilledError):
        summarise_coming(engine, PLAN, plan_for(model), lambda: EVENING)
    monkeypatch.undo()
    cut_with(engine, model)
    assert sorted(model.asked_about) == ["Paper number 1", "Paper number 2", "Paper number 3"]
    assert record(engine).line == "Summaries by tiny-1: 3 of 3."
    with read_only(engine) as connection:
        assert requests_since(connection, month_of(MORNING)) == 4  # also the one that was never answered


@ON_SQLITE
def test_a_month_has_a_limit(engine, model):
    fill(engine, chinese=False)
    cut_with(engine, model, monthly=2)
    assert len(model.requests) == 2
    samples = [sample for family in families(measure(engine, Settings(), MORNING)) for sample in family.samples]
    counted = {tuple(sample.labels.values()): sample.value for sample in samples if "_model_" in sample.name}
    assert counted == {("asked",): 0, ("ready",): 2, ("unusable",): 0, ("failed",): 0, (): 2}
    assert record(engine).line == "Summaries by tiny-1: 2 of 3; 1 missing: the 2 requests of this month are used up."


@ON_SQLITE
def test_without_an_address_nothing_is_asked_or_recorded(engine):
    fill(engine)
    summarise(engine, PLAN, None, DAY, lambda: MORNING)
    publish(engine, PLAN, DAY, MORNING)
    assert record(engine) is None
