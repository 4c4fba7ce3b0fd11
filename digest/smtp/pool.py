"""The connections of one process: who gets which message, when another connection is opened, when all is halted.

Everything runs on the sender's loop.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from digest.smtp.envelope import Outcome, Receipt
from digest.smtp.opening import RelayPool, RelayState, trouble
from digest.smtp.receipt import Phase, Reply, broken, receipt
from digest.smtp.relay import Relay
from digest.smtp.session import Session
from digest.smtp.window import Connected, PendingMessage, SendObserver, SubmittedWindow, Timeouts

# After so many refusals in a row that are about us, not about a mail, the rest is not even tried.
_ENOUGH = 3
_TOO_LATE = "its turn did not come in time"


class ConnectionPool:
    """Gives waiting messages to connections, first come first served."""

    def __init__(
        self, relays: Sequence[Relay], connections: int, per_connection: int, timeouts: Timeouts, notes: SendObserver
    ) -> None:
        """At most `connections` at a time, of `per_connection` messages each."""
        self._places = RelayPool(relays)
        self._most = connections
        self._per_connection = per_connection
        self._timeouts = timeouts
        self._notes = notes
        self._waiting: deque[PendingMessage] = deque()
        self._sessions: dict[Connected, RelayState] = {}
        self._idle: deque[Connected] = deque()
        self._openings: set[asyncio.Task[None]] = set()
        self._under_way = 0
        self._refusals = 0  # about us, in a row since the last acceptance
        self._trouble: Reply | None = None  # why the last connection could not be opened
        self._closing = ""
        self._all_ended = asyncio.Event()  # looked at when closing

    def submit(self, window: SubmittedWindow) -> None:
        """Send its messages."""
        if self._closing:
            _turn_away(window.turns, self._closing)
            return
        self._refusals = min(self._refusals, _ENOUGH - 1)
        delay = max(window.begin_until - time.monotonic(), 0)
        timer = asyncio.get_running_loop().call_later(delay, self._time_is_up, window)
        window.receipts.add_done_callback(lambda _: timer.cancel())
        self._waiting.extend(window.turns)
        self._pump()

    async def close(self, patience: float) -> None:
        """Begin nothing more, wait `patience` seconds for what is on the wire, and hang up."""
        self._closing = "the sender is being closed"
        _turn_away(self._drained(), self._closing)
        for opening in self._openings:
            opening.cancel()
        await asyncio.gather(*self._openings, return_exceptions=True)
        while self._idle:
            self._idle.popleft().leave()
        if self._sessions:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._all_ended.wait(), patience)
        for session in list(self._sessions):
            session.end(self._closing)
        await asyncio.get_running_loop().shutdown_default_executor()  # names are looked up on its threads

    # --- what connections ask and tell ---

    def take(self, ahead: float) -> PendingMessage | None:
        """The next message, if it could still be begun in `ahead` seconds; too late ones are not begun."""
        if self._is_on_probation and self._under_way:
            return None
        now = time.monotonic()
        while self._waiting:
            turn = self._waiting[0]
            if turn.window.begin_until >= now + ahead:
                self._under_way += 1
                return self._waiting.popleft()
            if turn.window.begin_until >= now:
                return None
            self._waiting.popleft()
            turn.window.give(turn.unbegun(_TOO_LATE))
        return None

    def begin(self, turn: PendingMessage) -> str:
        """The last moment to keep it back: "", or why it must not begin. (How late it is was looked at before MAIL: a
        server that is slow to say 354 would get no mail at all.)
        """
        if self._closing:
            return self._closing
        if self._refusals >= _ENOUGH:
            return "halted: the mail server takes no mail of ours"
        try:
            self._notes.began(turn.envelope.delivery_id)
        except Exception as problem:  # noqa: BLE001 - whatever the journal says: without it nothing may go
            return f"it could not be noted: {problem}"
        turn.begun = True
        return ""

    def settle(self, turn: PendingMessage, result: Receipt) -> None:
        """What became of a message that was under way."""
        self._under_way -= 1
        was_on_probation = self._is_on_probation
        if result.outcome is Outcome.ACCEPTED:
            self._refusals = 0
        elif result.outcome is Outcome.SENDER_ERROR and result.code is not None:
            self._refusals += 1
        if turn.begun:
            with suppress(Exception):  # the journal is for the case that this process dies; the receipt is here
                self._notes.answered(result)
        turn.window.give(result)
        if was_on_probation:
            if self._refusals >= _ENOUGH:
                _turn_away(self._drained(), f"halted: {result.code} {result.text}")
            self._pump()

    def put_back(self, turn: PendingMessage) -> None:
        """Its connection ended before it was heard of."""
        self._under_way -= 1
        if self._closing or turn.window.begin_until < time.monotonic():
            _turn_away([turn], self._closing or _TOO_LATE)
        else:
            self._waiting.appendleft(turn)

    def idle(self, session: Connected) -> None:
        """It has nothing to do."""
        if self._closing:
            session.leave()
        else:
            self._idle.append(session)

    def retire(self, session: Connected) -> None:
        """It had nothing to do for a long time."""
        self._idle.remove(session)
        session.leave()

    def ended(self, session: Connected) -> None:
        """It takes no more messages."""
        self._sessions.pop(session).open -= 1
        if session in self._idle:
            self._idle.remove(session)
        if not self._sessions:
            self._all_ended.set()
        self._pump()

    # --- giving out ---

    @property
    def _is_on_probation(self) -> bool:
        """One more refusal decides: one message at a time."""
        return self._refusals >= _ENOUGH - 1

    def _pump(self) -> None:
        while self._waiting and self._idle:
            session = self._idle.popleft()
            if not session.work():
                self._idle.append(session)
                break
        while len(self._openings) < min(len(self._waiting), self._may_open()):
            self._open()

    def _may_open(self) -> int:
        """How many connections may be being opened at a time."""
        if not self._places.all_avoided:
            most = 1 if self._is_on_probation else self._most
            return most - len(self._sessions)
        # A server that turned us away lately, perhaps for too many connections, is not stormed.
        return 0 if self._sessions else 1

    def _open(self) -> None:
        opening = asyncio.get_running_loop().create_task(self._opening())
        self._openings.add(opening)
        opening.add_done_callback(self._opened)

    async def _opening(self) -> None:
        for place in self._places.in_order():
            if place.is_avoided and self._sessions:
                return  # others work
            place.open += 1
            try:
                transport, pipelining = await place.connect(self._timeouts.connect)
                session = Session(self, self._per_connection, pipelining, self._timeouts)
                session.take_over(transport)
            except Exception as error:  # noqa: BLE001 - whatever it was, what waits gets its receipt
                place.open -= 1
                self._trouble = trouble(place.relay, error)
                continue
            except BaseException:
                place.open -= 1
                raise
            self._trouble = None
            self._sessions[session] = place
            self.idle(session)
            return

    def _opened(self, opening: asyncio.Task[None]) -> None:
        self._openings.discard(opening)
        if not self._closing and not self._sessions and not self._openings and self._trouble is not None:
            _give_up(self._drained(), self._trouble)
        self._pump()

    # --- giving up ---

    def _time_is_up(self, window: SubmittedWindow) -> None:
        late = [turn for turn in self._waiting if turn.window is window]
        self._waiting = deque(turn for turn in self._waiting if turn.window is not window)
        if self._trouble is not None and not self._sessions:
            _give_up(late, self._trouble)
        else:
            _turn_away(late, _TOO_LATE)
        for session in list(self._sessions):
            session.withdraw(window.begin_until)

    def _drained(self) -> list[PendingMessage]:
        turns = list(self._waiting)
        self._waiting.clear()
        return turns


def _give_up(turns: Sequence[PendingMessage], why: Reply) -> None:
    for turn in turns:
        number, at = turn.envelope.delivery_id, turn.window.now()
        turn.window.give(receipt(number, why, at) if why.code else broken(number, Phase.SESSION, why.text, at))


def _turn_away(turns: Sequence[PendingMessage], why: str) -> None:
    for turn in turns:
        turn.window.give(turn.unbegun(why))
