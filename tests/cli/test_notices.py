"""The commands digest notice …, as an operator types them."""

import json

import pytest

from digest.clock import now
from digest.database.engine import read_only
from digest.database.tables import deliveries
from digest.mail.notices import queue_next
from tests.support.scenario import MORNING, ON_SQLITE, PLAN, add_subscriber

pytestmark = ON_SQLITE
SUBJECT = ("--subject", "We move on Monday")


@pytest.fixture
def text(tmp_path, run, engine, clock):
    """The options of a notice, with two subscribers."""
    clock.move_to(MORNING)
    for name in ("ada", "ben"):
        add_subscriber(engine, f"{name}@example.com")
    file = tmp_path / "text.txt"
    file.write_text("The address changes.\n\nhttps://papers.example.org/moving\n", encoding="utf-8")
    return (*SUBJECT, "--file", str(file))


def documents(run):
    return json.loads(run("notice", "list", "--json").stdout)


def test_a_dry_run_says_how_many_get_it_and_stores_nothing(run, text):
    done = run("notice", "send", *text, "--dry-run")
    assert done.exit_code == 0
    assert "Would go to 2 subscribers." in done.stderr
    assert documents(run) == []


def test_it_is_sent_only_with_the_number_of_subscribers(run, text, engine):
    for number in ((), ("--subscribers", "3")):
        refused = run("notice", "send", *text, *number)
        assert refused.exit_code == 2
        assert "2 subscribers" in refused.stderr
    done = run("notice", "send", *text, "--subscribers", "2")
    assert "Notice 1 is sent to 2 subscribers." in done.stderr
    assert [each["state"] for each in documents(run)] == ["waiting to be queued"]
    assert queue_next(engine, PLAN.settings, now()) == 2
    (audit,) = json.loads(run("audit", "--kind", "notice", "--json").stdout)
    assert (audit["issue"], audit["queued"]) == ("2026-03-04 notice", 2)
    again = run("notice", "send", *text, "--subscribers", "2")
    assert again.exit_code == 1
    assert "--again" in again.stderr
    assert run("notice", "send", *text, "--subscribers", "2", "--again").exit_code == 0
    assert len(documents(run)) == 2


def test_a_draft_is_kept_seen_sent_and_cancelled(run, text, engine):
    assert "Draft 1 is kept." in run("notice", "write", *text).stderr
    assert "The address changes." in run("notice", "preview", "1").stdout
    assert b"List-Unsubscribe-Post" in run("notice", "preview", "1", "--format", "raw").stdout_bytes
    assert run("notice", "send", "1", "--subscribers", "2").exit_code == 0
    assert run("notice", "send", "1", "--subscribers", "2").exit_code == 1
    queue_next(engine, PLAN.settings, now())
    assert "would not be sent" in run("notice", "cancel", "1", "--dry-run").stderr
    assert "cancelled, issue of 2026-03-04" in run("notice", "cancel", "1").stderr
    assert "Nothing changed" in run("notice", "cancel", "1").stderr
    with read_only(engine) as connection:
        assert {row.state for row in connection.execute(deliveries.select())} == {"skipped"}


def test_a_sent_notice_is_a_draft_again_if_it_is_cancelled_before_it_is_queued(run, text):
    run("notice", "send", *text, "--subscribers", "2")
    assert "It is now: draft." in run("notice", "cancel", "1").stderr


def test_each_language_has_its_own_subject_and_file(run, text, tmp_path):
    chinese = tmp_path / "zh.txt"
    chinese.write_text("网址会改变。", encoding="utf-8")
    more = ("--language", "en", "--subject", "搬家", "--file", str(chinese), "--language", "zh-cn")
    assert run("notice", "write", *text, *more).exit_code == 0
    assert set(documents(run)[0]["texts"]) == {"en", "zh-CN"}
    assert "网址会改变" in run("notice", "preview", "1", "--language", "zh-CN").stdout
    twice = run("notice", "write", *text, "--language", "en", *text, "--language", "en")
    assert (twice.exit_code, documents(run)[1:]) == (2, [])


@pytest.mark.parametrize("command", [("preview",), ("cancel",), ("send", "--subscribers", "2")])
def test_a_notice_that_does_not_exist_is_named(run, text, command):
    done = run("notice", command[0], "7", *command[1:])
    assert "There is no notice 7." in str(done.exception)


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b" \n "])
def test_a_file_that_is_no_text_is_wrong_input(run, text, tmp_path, content):
    file = tmp_path / "other.txt"
    if content is not None:
        file.write_bytes(content)
    done = run("notice", "write", *SUBJECT, "--file", str(file))
    assert done.exit_code == 2
    assert documents(run) == []


def test_a_test_goes_to_one_address_past_the_ledger(run, text, engine, smtp_server, monkeypatch):
    monkeypatch.setenv("DIGEST_SMTP_URL", smtp_server.url)
    run("notice", "write", *text)
    assert "Would send" in run("notice", "test", "1", "ada@example.com", "--dry-run").stderr
    assert smtp_server.taken == []
    assert run("notice", "test", "1", "ada@example.com").stderr.startswith("accepted: 250")
    assert smtp_server.taken[0].rcpt_tos == ("ada@example.com",)
    with read_only(engine) as connection:
        assert connection.execute(deliveries.select()).all() == []
