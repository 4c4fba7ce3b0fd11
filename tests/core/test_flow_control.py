"""Waiting grows, has an end, and is not the same for all."""

from datetime import timedelta

from digest.mail.flow import back_off


def test_the_wait_doubles_from_five_minutes_and_stays_at_most_an_hour_and_six_minutes():
    minutes = [round(back_off(attempts, 0.5) / timedelta(minutes=1)) for attempts in range(1, 8)]
    assert minutes == [5, 10, 20, 40, 66, 66, 66]
    assert back_off(10_000, 0.5) == timedelta(minutes=66)


def test_mails_that_were_deferred_together_do_not_come_back_together():
    assert back_off(1, 0.0) < back_off(1, 0.5) < back_off(1, 0.999)
