"""Looking a mail in doubt up in the log of a local Postfix: only what it truly took counts as arrived."""

import os
import time

import pytest

from digest.mail.delivery.postfix_log import arrived, look_up

ID = "d77.2026-11-23.5f3c2a@papers.example.org"
OTHER = "d78.2026-11-23.90aa1b@papers.example.org"


def log(*lines: str, start: str = "Nov 23 06:00:01 mx1 ") -> list[str]:
    return [f"{start}{line}\n" for line in lines]


TAKEN = (
    "postfix/smtpd[2301]: 4F1AB2C3D0: client=localhost[127.0.0.1]",
    f"postfix/cleanup[2315]: 4F1AB2C3D0: message-id=<{ID}>",
    "postfix/qmgr[2267]: 4F1AB2C3D0: from=<bounces@papers.example.org>, size=17044, nrcpt=1 (queue active)",
    "postfix/smtp[2319]: 4F1AB2C3D0: to=<ada@example.com>, relay=mx.example.com[192.0.2.7]:25, delay=0.7, status=sent",
    "postfix/qmgr[2267]: 4F1AB2C3D0: removed",
)


@pytest.mark.parametrize(
    "start",
    [
        "Nov 23 06:00:01 mx1 ",
        "Nov  3 06:00:01 mx1.example.org ",
        "2026-11-23T06:00:01.208849+01:00 mx1 ",
        "2026-11-23T06:00:01Z mx1 ",
    ],
)
def test_a_mail_that_postfix_queued_has_arrived_in_either_form_of_the_log(start):
    assert arrived(log(*TAKEN, start=start), {ID, OTHER}) == {ID: "4F1AB2C3D0"}


@pytest.mark.parametrize("queue_id", ["C3CD21F3E90", "3Pt2mN2VXxznjll", "4dHgKt1z6Qz9sWh"])
@pytest.mark.parametrize("program", ["postfix", "postfix-bulk", "postfix/submission"])
def test_queue_ids_are_short_or_long_and_instances_have_names(queue_id, program):
    lines = log(
        f"{program}/cleanup[1]: {queue_id}: message-id=<{ID}>",
        f"{program}/qmgr[2]: {queue_id}: from=<>, size=1713, nrcpt=1 (queue active)",
    )
    assert arrived(lines, [ID]) == {ID: queue_id}


def test_when_the_sender_vanished_before_the_final_dot_it_has_not_arrived():
    vanished = (
        *TAKEN[:2],
        "postfix/smtpd[2301]: lost connection after DATA (16357 bytes) from localhost[127.0.0.1]",
        "postfix/smtpd[2301]: disconnect from localhost[127.0.0.1] ehlo=1 mail=1 rcpt=1 data=0/1 commands=3/4",
    )
    assert arrived(log(*vanished), [ID]) == {}


def test_what_a_filter_rejected_at_the_end_has_not_arrived():
    rejected = (
        *TAKEN[:2],
        "postfix/cleanup[2315]: 4F1AB2C3D0: milter-reject: END-OF-MESSAGE from localhost[127.0.0.1]: 4.7.1 Later",
    )
    assert arrived(log(*rejected), [ID]) == {}


def test_a_queue_id_that_was_given_to_another_message_proves_nothing():
    reused = (*TAKEN[:2], "postfix/cleanup[2316]: 4F1AB2C3D0: message-id=<other@elsewhere.example>", TAKEN[2])
    assert arrived(log(*reused), [ID]) == {}
    nameless = (*TAKEN[:2], "postfix/cleanup[2316]: 4F1AB2C3D0: message-id=<>", TAKEN[2])
    assert arrived(log(*nameless), [ID]) == {}


def test_a_second_attempt_counts_where_the_first_was_cut_off():
    again = tuple(line.replace("4F1AB2C3D0", "51DC9163323") for line in TAKEN)
    assert arrived(log(*TAKEN[:2], *again), [ID]) == {ID: "51DC9163323"}


def test_of_two_copies_the_first_is_named():
    again = tuple(line.replace("4F1AB2C3D0", "51DC9163323") for line in TAKEN)
    assert arrived(log(*TAKEN, *again), [ID]) == {ID: "4F1AB2C3D0"}


def test_mails_that_are_read_at_the_same_time_are_told_apart():
    lines = log(
        f"postfix/cleanup[1]: AAAAAA1: message-id=<{ID}>",
        f"postfix/cleanup[2]: BBBBBB2: message-id=<{OTHER}>",
        "postfix/qmgr[3]: BBBBBB2: from=<b@example.org>, size=17001, nrcpt=1 (queue active)",
    )
    assert arrived(lines, [ID, OTHER]) == {OTHER: "BBBBBB2"}


@pytest.mark.parametrize(
    "line",
    [
        f"postfix/cleanup[1]: CCCCCC3: warning: header Subject: postfix/cleanup[9]: AAAAAA1: message-id=<{ID}> from x",
        f"postfix/cleanup[1]: AAAAAA1: resent-message-id=<{ID}>",
        f"postfix/cleanup[1]: AAAAAA1: message-id=<x{ID}>",
        f"postfix/cleanup[1]: NOQUEUE: message-id=<{ID}",
        f"fakefix-cleanup[1]: AAAAAA1: message-id=<{ID}>",
        "",
    ],
)
def test_lines_that_only_look_alike_prove_nothing(line):
    queued = "postfix/qmgr[3]: AAAAAA1: from=<b@example.org>, size=17001, nrcpt=1 (queue active)"
    assert arrived(log(line, queued), [ID]) == {}


def test_a_qmgr_line_of_another_kind_proves_nothing():
    expired = "postfix/qmgr[3]: 4F1AB2C3D0: from=<b@example.org>, status=expired, returned to sender"
    assert arrived(log(TAKEN[1], expired), [ID]) == {}


# --- in files ---


def test_the_end_of_the_log_is_read_and_bytes_that_are_no_text_do_no_harm(tmp_path):
    path = tmp_path / "mail.log"
    path.write_bytes(b"\xff\xfe\x00 no text\n" + "".join(log(*TAKEN)).encode())
    assert look_up(path, {ID}) == {ID: "4F1AB2C3D0"}


def test_only_so_much_is_read_and_a_line_cut_through_is_left_out(tmp_path):
    path = tmp_path / "mail.log"
    lines = "".join(log(*TAKEN)).encode()
    path.write_bytes(lines)
    assert look_up(path, {ID}, len(lines)) == {ID: "4F1AB2C3D0"}
    assert look_up(path, {ID}, len(lines) - len(log(TAKEN[0])[0]) - 1) == {}


@pytest.mark.parametrize("rotated", ["mail.log.1", "mail.log-20261123"])
def test_a_mail_logged_across_a_rotation_is_found(tmp_path, rotated):
    path = tmp_path / "mail.log"
    (tmp_path / rotated).write_text("".join(log(*TAKEN[:2])))
    (tmp_path / "mail.log-20261101").write_text("".join(log(*TAKEN[:1])))
    path.write_text("".join(log(*TAKEN[2:])))
    assert look_up(path, {ID}) == {ID: "4F1AB2C3D0"}
    assert look_up(path, {ID}, path.stat().st_size) == {}


def test_a_log_that_is_not_there_or_not_ours_to_read_is_a_clear_error(tmp_path):
    with pytest.raises(OSError, match=r"mail log .*nowhere\.log cannot be read \(No such file.*DIGEST_POSTFIX_LOG"):
        look_up(tmp_path / "nowhere.log", {ID})
    with pytest.raises(OSError, match=r"Is a directory"):
        look_up(tmp_path, {ID})
    locked = tmp_path / "locked.log"
    locked.write_text("")
    locked.chmod(0)
    if not os.access(locked, os.R_OK):  # root reads everything
        with pytest.raises(OSError, match=r"Permission denied"):
            look_up(locked, {ID})


def test_a_large_log_is_read_in_a_moment(tmp_path):
    path = tmp_path / "mail.log"
    filler = "".join(log(*TAKEN)).replace(ID, "someone@elsewhere.example")
    path.write_text(filler * (30_000_000 // len(filler)) + "".join(log(*TAKEN)))
    started = time.perf_counter()
    assert look_up(path, {ID}) == {ID: "4F1AB2C3D0"}
    assert time.perf_counter() - started < 5
