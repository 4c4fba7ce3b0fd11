"""Processes the messages of a mailbox, each of which stays there until it is stored."""

from collections.abc import Callable, Iterable

from digest.database.engine import DATABASE_AWAY

Take = Callable[[bytes], object]
WaitingMessage = tuple[bytes, Callable[[], object]]  # its content, and a function that puts it away


def process_each(messages: Iterable[WaitingMessage], take: Take) -> int:
    """Give each message to `take`, then put it away. Returns how many.

    A message for which `take` raises stays in the mailbox until next time; the error is raised after the others were
    tried, or at once if the database is unavailable.
    """
    done, problem = 0, None
    for message, put_away in messages:
        try:
            take(message)
        except DATABASE_AWAY:
            raise
        except Exception as raised:  # noqa: BLE001 - one message must not hold up the ones after it
            problem = raised
            continue
        put_away()
        done += 1
    if problem:
        raise problem
    return done
