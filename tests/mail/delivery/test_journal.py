"""A worker's journal: what it holds after any death, and who may read it."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.mail.delivery.journal import ALL, Journal, journals, left_behind, read, worker_of
from digest.smtp.envelope import Outcome, Receipt

AT = datetime(2026, 3, 4, 7, 0, 0, 125000, tzinfo=UTC)


def receipt(number, outcome=Outcome.ACCEPTED, text="2.0.0 queued as 4T"):
    return Receipt(number, outcome, 250, "2.0.0", text, AT)


def left_by_a_dead_worker(folder, *lines):
    """A process that writes a journal and is killed."""
    script = "\n".join(
        (
            "import os, signal, sys",
            "from pathlib import Path",
            "from tests.mail.delivery.test_journal import Journal, receipt",
            "journal = Journal(Path(sys.argv[1]), 'dead')",
            *lines,
            "os.kill(os.getpid(), signal.SIGKILL)",
        )
    )
    subprocess.run([sys.executable, "-c", script, str(folder)], check=False, cwd=Path(__file__).parents[3])
    (file,) = journals(folder)
    return file


def test_what_was_written_before_a_kill_is_there_after_it(tmp_path):
    written = ("journal.making(7)", "journal.began(5)", "journal.began(6)", "journal.answered(receipt(5))")
    file = left_by_a_dead_worker(tmp_path, *written)
    assert worker_of(file) == "dead"
    with left_behind(file) as found:
        assert found is not None
        assert (found.making, found.begun, found.answered) == (7, {6}, {5: receipt(5)})
    assert not file.exists()


def test_nobody_reads_the_journal_of_a_worker_that_lives(tmp_path):
    with Journal(tmp_path, "alive"), left_behind(journals(tmp_path)[0]) as found:
        assert found is None
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
    with left_behind(file) as found:
        assert found is not None
        assert found.begun == {5}


def test_what_was_cleared_is_never_seen_again(tmp_path):
    file = left_by_a_dead_worker(
        tmp_path, "[journal.began(number) for number in range(100)]", "journal.clear()", "journal.began(5)"
    )
    with left_behind(file) as found:
        assert found is not None
        assert found.begun == {5}


def test_all_of_a_claim_may_be_to_blame(tmp_path):
    file = left_by_a_dead_worker(tmp_path, f"journal.making({ALL})")
    with left_behind(file) as found:
        assert found is not None
        assert found.making == ALL


def test_a_journal_cannot_be_opened_twice(tmp_path):
    with Journal(tmp_path, "one"):
        draft = tmp_path / "one.new"
        draft.touch()
        with pytest.raises(FileExistsError):
            Journal(tmp_path, "one")


texts = st.text(st.characters(codec="utf-8"), max_size=300)


@given(st.lists(st.tuples(st.integers(1, 2**40), texts, st.sampled_from(Outcome)), unique_by=lambda one: one[0]))
def test_every_receipt_comes_back_as_it_was_but_for_the_length_and_lines_of_its_text(tmp_path_factory, said):
    with Journal(tmp_path_factory.mktemp("journal"), "one") as journal:
        for number, text, outcome in said:
            journal.began(number)
            journal.answered(receipt(number, outcome, " ".join(text.split())))
        found = read(bytes(journal._memory[:]))
    assert found.begun == set()
    for number, text, outcome in said:
        one_line = " ".join(text.split())[:200].replace("\0", " ")
        assert found.answered[number] == receipt(number, outcome, one_line)


@given(st.integers(0, 120))
def test_a_journal_cut_off_anywhere_is_read_without_what_was_not_whole(cut):
    whole = bytes(8) + b"B 1\nB 2\nA 1 ACCEPTED 250 2.0.0 0 1772607600.125 taken\nB 3\n"
    found = read(whole[: 8 + cut])
    assert found.begun <= {1, 2, 3}
    assert set(found.answered) <= {1}
    assert (1 in found.answered) == (whole[8 : 8 + cut].count(b"\n") >= 3)
