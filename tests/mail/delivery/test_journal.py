"""A worker's journal: its content after the worker's death, and its file permissions."""

import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.mail.delivery.journal import ALL, Journal, journals, left_behind, read, worker_of
from digest.mail.delivery.outcome import Outcome, Receipt, receipt_of
from digest.smtp import Phase, Reply

AT = datetime(2026, 3, 4, 7, 0, 0, 125000, tzinfo=UTC)


def reply(number, code=250, text="2.0.0 queued as 4T", phase=Phase.CONTENT):
    return Reply(number, phase, code, text, AT)


def left_by_a_dead_worker(folder, *lines):
    """A process that writes a journal and is killed."""
    script = "\n".join(
        (
            "import os, signal, sys",
            "from pathlib import Path",
            "from tests.mail.delivery.test_journal import Journal, reply",
            "journal = Journal(Path(sys.argv[1]), 'dead')",
            *lines,
            "os.kill(os.getpid(), signal.SIGKILL)",
        )
    )
    subprocess.run([sys.executable, "-c", script, str(folder)], check=False, cwd=Path(__file__).parents[3])
    (file,) = journals(folder)
    return file


def test_what_was_written_before_a_kill_is_there_after_it(tmp_path):
    written = ("journal.making(7)", "journal.began(5)", "journal.began(6)", "journal.answered(reply(5))")
    file = left_by_a_dead_worker(tmp_path, *written)
    assert worker_of(file) == "dead"
    with left_behind(file) as content:
        assert content is not None
        assert (content.making, content.begun, content.answered) == (7, {6}, {5: receipt_of(reply(5))})
    assert not file.exists()


def test_nobody_reads_the_journal_of_a_worker_that_lives(tmp_path):
    with closing(Journal(tmp_path, "alive")), left_behind(journals(tmp_path)[0]) as content:
        assert content is None
    assert journals(tmp_path) == []


def test_of_two_who_find_it_one_reads_it(tmp_path):
    file = left_by_a_dead_worker(tmp_path, "journal.began(5)")
    with left_behind(file) as first, left_behind(file) as second:
        assert first is not None
        assert second is None
    with left_behind(file) as third:
        assert third is None


def test_a_journal_whose_reader_failed_is_there_for_the_next(tmp_path):
    file = left_by_a_dead_worker(tmp_path, "journal.began(5)")
    with pytest.raises(ValueError, match="the database is away"), left_behind(file):
        raise ValueError("the database is away")
    with left_behind(file) as content:
        assert content is not None
        assert content.begun == {5}


def test_what_was_cleared_is_never_seen_again(tmp_path):
    file = left_by_a_dead_worker(
        tmp_path, "[journal.began(number) for number in range(100)]", "journal.clear()", "journal.began(5)"
    )
    with left_behind(file) as content:
        assert content is not None
        assert content.begun == {5}


def test_all_of_a_claim_may_be_to_blame(tmp_path):
    file = left_by_a_dead_worker(tmp_path, f"journal.making({ALL})")
    with left_behind(file) as content:
        assert content is not None
        assert content.making == ALL


def test_a_journal_cannot_be_opened_twice(tmp_path):
    with closing(Journal(tmp_path, "one")):
        draft = tmp_path / "one.new"
        draft.touch()
        with pytest.raises(FileExistsError):
            Journal(tmp_path, "one")


texts = st.text(st.characters(codec="utf-8"), max_size=300)


codes = st.sampled_from([None, 250, 421, 451, 550, 552, 554])
phases = st.sampled_from([Phase.DATA, Phase.CONTENT])  # of a message that was begun
replies = st.builds(reply, st.integers(1, 2**40), codes, texts, phases)


@given(st.lists(replies, unique_by=lambda reply: reply.id))
def test_every_reply_comes_back_with_its_meaning_and_the_start_of_its_text(tmp_path_factory, replies):
    with closing(Journal(tmp_path_factory.mktemp("journal"), "one")) as journal:
        for each in replies:
            journal.began(each.id)
            journal.answered(each)
        content = read(bytes(journal._memory[:]))
    assert content.begun == set()
    expected = [receipt_of(each) for each in replies]
    assert content.answered == {each.delivery_id: replace(each, text=each.text[:200]) for each in expected}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            b"A 7 ACCEPTED 250 2.0.0 0 1772607600.125 2.0.0 taken",
            (Outcome.ACCEPTED, 250, "2.0.0", "2.0.0 taken", False),
        ),
        (b"A 7 DEFERRED 451 - 0 1772607600.125 not now", (Outcome.DEFERRED, 451, "", "not now", False)),
        (b"A 7 REFUSED 550 5.1.1 1 1772607600.125 5.1.1 no", (Outcome.REFUSED, 550, "5.1.1", "5.1.1 no", True)),
        (b"A 7 OURS 550 5.7.1 0 1772607600.125 5.7.1 no", (Outcome.SENDER_ERROR, 550, "5.7.1", "5.7.1 no", False)),
        (b"A 7 UNBEGUN 0 - 0 1772607600.125 too late", (Outcome.NOT_ATTEMPTED, None, "", "too late", False)),
        (b"A 7 UNKNOWN 0 - 0 1772607600.125 lost", (Outcome.UNCERTAIN, None, "", "lost", False)),
    ],
)
def test_a_journal_of_the_version_before_is_still_read(line, expected):
    content = read((9).to_bytes(8, "little") + b"B 7\nB 8\n" + line + b"\n\0\0")
    outcome, code, enhanced, text, is_bad = expected
    assert (content.making, content.begun) == (9, {8})
    assert content.answered == {7: Receipt(7, outcome, code, enhanced, text, AT, is_bad)}


@given(st.integers(0, 120))
def test_a_journal_cut_off_anywhere_is_read_without_what_was_not_whole(cut):
    whole = bytes(8) + b"B 1\nB 2\nA 1 ACCEPTED 250 2.0.0 0 1772607600.125 taken\nB 3\n"
    content = read(whole[: 8 + cut])
    assert content.begun <= {1, 2, 3}
    assert set(content.answered) <= {1}
    assert (1 in content.answered) == (whole[8 : 8 + cut].count(b"\n") >= 3)
