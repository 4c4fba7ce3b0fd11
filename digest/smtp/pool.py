"""The connections of one process: which message goes where, when to connect, when to halt.

Everything runs on the sender's event loop.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from digest import machine_clock
from digest.smtp.connection import is_plain_address
from digest.smtp.opening import RelayState
from digest.smtp.problems import NotConnected
from digest.smtp.relay import Relay
from digest.smtp.session import Session
from digest.smtp.submission import Envelope, PendingMessage, Phase, Reply, SendObserver, SubmittedWindow, Timeouts

# After this many refusals in a row that are about us, not about a message, the rest are not even tried.
_HALTS_AT = 3
_SYNTAX_ERROR = 501  # what a server replies to an address that it cannot parse
_TOO_LATE = "its turn did not come in time"


class ConnectionPool:
    """Gives waiting messages to connections, first come first served."""

    def __init__(
        self,
        relays: Sequence[Relay],
        connections: int,
        per_connection: int,
        timeouts: Timeouts,
        observer: SendObserver | None,
        is_about_sender: Callable[[Reply], bool],
    ) -> None:
        """Open up to `connections` at a time, for up to `per_connection` messages each."""
        self._relays = [RelayState(relay) for relay in relays]
        self._max_connections = connections
        self._per_connection = per_connection
        self._timeouts = timeouts
        self._observer = observer
        self._is_about_sender = is_about_sender
        self._waiting: deque[PendingMessage] = deque()
        self._sessions: dict[Session, RelayState] = {}
        self._idle: deque[Session] = deque()
        self._openings: dict[asyncio.Task[None], None] = {}  # in the order of their beginning
        self._under_way = 0
        self._refusals = 0  # about us, in a row since the last acceptance
        self._connect_problem: tuple[str, Phase, int | None] | None = None  # of the last connection, if it failed
        self._closing = ""
        self._all_ended = asyncio.Event()

    def submit(self, window: SubmittedWindow) -> None:
        """Send its messages."""
        if self._closing:
            _resolve(window.messages, self._closing)
            return
        self._refusals = min(self._refusals, _HALTS_AT - 1)
        delay = max(window.begin_until - machine_clock.monotonic(), 0)
        timer = asyncio.get_running_loop().call_later(delay, self._time_is_up, window)
        window.replies.add_done_callback(lambda _: timer.cancel())
        for message in window.messages:
            phase = _invalid_address(message.envelope)
            if phase is None:
                self._waiting.append(message)
            else:
                _resolve([message], f"{phase}: this address cannot stand in an SMTP command", phase, _SYNTAX_ERROR)
        self._pump()

    async def close(self, patience: float) -> None:
        """Begin nothing more, wait up to `patience` seconds for what is on the wire, and disconnect."""
        self._closing = "the sender is being closed"
        self._resolve_waiting(self._closing)
        for opening in self._openings:
            opening.cancel()
        await asyncio.gather(*self._openings, return_exceptions=True)
        while self._idle:
            self._idle.popleft().quit()
        if self._sessions:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._all_ended.wait(), patience)
        for session in list(self._sessions):
            session.abort(self._closing)
        await asyncio.get_running_loop().shutdown_default_executor()  # names are looked up on its threads

    # --- called by sessions ---

    def next_message(self, ahead: float) -> PendingMessage | None:
        """The next message that could still be begun in `ahead` seconds, declining those that are too late."""
        if self._is_on_probation and self._under_way:
            return None
        now = machine_clock.monotonic()
        while self._waiting:
            message = self._waiting[0]
            if message.window.begin_until >= now + ahead:
                self._under_way += 1
                return self._waiting.popleft()
            if message.window.begin_until >= now:
                return None
            self._waiting.popleft()
            _resolve([message], _TOO_LATE)
        return None

    def begin(self, message: PendingMessage) -> str:
        """Mark a message as begun. Returns "", or the problem that forbids it: this is the last moment to stop.

        Lateness was checked before MAIL: a server that is slow to reply 354 would get no mail at all.
        """
        if self._closing:
            return self._closing
        if self._refusals >= _HALTS_AT:
            return "halted: the mail server takes no mail of ours"
        if self._observer is not None:
            try:
                self._observer.began(message.envelope.id)
            except Exception as problem:  # noqa: BLE001 - whatever it is, nothing is sent without a record
                return f"it could not be noted: {problem}"
        message.begun = True
        return ""

    def settle(self, message: PendingMessage, reply: Reply) -> None:
        """Take the reply to a message that was under way."""
        self._under_way -= 1
        was_on_probation = self._is_on_probation
        if reply.is_acceptance:
            self._refusals = 0
        elif reply.code is not None and self._is_about_sender(reply):
            self._refusals += message.envelope.is_evidence or reply.phase is Phase.MAIL
        if message.begun and self._observer is not None:
            with suppress(Exception):  # the record is for the case that this process dies; the reply is here
                self._observer.answered(reply)
        message.window.resolve(reply)
        if was_on_probation:
            if self._refusals >= _HALTS_AT:
                self._resolve_waiting(f"halted: {reply.code} {reply.text}")
            self._pump()

    def requeue(self, message: PendingMessage, problem: str) -> None:
        """Take back a message whose connection ended for reasons of its own."""
        self._under_way -= 1
        if self._closing or message.window.begin_until < machine_clock.monotonic():
            _resolve([message], self._closing or problem)
        else:
            self._waiting.appendleft(message)
            self._pump()

    def note_limit(self, session: Session, messages: int) -> None:
        """Note that a server took no more than so many messages over a connection."""
        self._sessions[session].note_limit(messages)

    def add_idle(self, session: Session) -> None:
        if self._closing:
            session.quit()
        else:
            self._idle.append(session)

    def retire(self, session: Session) -> None:
        """Close a session that has been idle for a long time."""
        self._idle.remove(session)
        session.quit()

    def remove(self, session: Session) -> None:
        """Forget a session that has ended."""
        self._sessions.pop(session).open -= 1
        if session in self._idle:
            self._idle.remove(session)
        if not self._sessions:
            self._all_ended.set()
        self._pump()

    # --- distributing messages ---

    @property
    def _is_on_probation(self) -> bool:
        """True if the next refusal halts. Messages then go one at a time."""
        return self._refusals >= _HALTS_AT - 1

    def _pump(self) -> None:
        while self._waiting and self._idle:
            session = self._idle.popleft()
            if not session.start_next():
                self._idle.append(session)
                break
        while len(self._openings) < len(self._waiting) and len(self._openings) < self._max_openings():
            opening = asyncio.get_running_loop().create_task(self._open())
            self._openings[opening] = None
            opening.add_done_callback(self._opened)

    def _max_openings(self) -> int:
        # A server that turned us away lately, perhaps for too many connections, is not stormed.
        is_careful = self._is_on_probation or all(state.is_avoided for state in self._relays)
        return (1 if is_careful else self._max_connections) - len(self._sessions)

    async def _open(self) -> None:
        for relay_state in sorted(self._relays, key=lambda state: state.rank):
            if relay_state.is_avoided and self._sessions:
                return  # other connections work
            try:
                transport, pipelining = await relay_state.connect(self._timeouts.connect)
            except NotConnected as problem:
                self._connect_problem = str(problem), Phase.SESSION, problem.code
                continue
            self._connect_problem = None
            messages = min(self._per_connection, relay_state.message_limit)
            session = Session(self, transport, messages, pipelining, self._timeouts)
            self._sessions[session] = relay_state
            self.add_idle(session)
            return

    def _opened(self, opening: asyncio.Task[None]) -> None:
        self._openings.pop(opening, None)
        if self._connect_problem is not None and not (self._closing or self._sessions or self._openings):
            self._resolve_waiting(*self._connect_problem)
        self._pump()

    # --- giving up ---

    def _time_is_up(self, window: SubmittedWindow) -> None:
        late = [message for message in self._waiting if message.window is window]
        self._waiting = deque(message for message in self._waiting if message.window is not window)
        problem = None if self._sessions else self._connect_problem
        _resolve(late, *(problem or (_TOO_LATE,)))
        for session in list(self._sessions):
            session.withdraw(window.begin_until)

    def _resolve_waiting(self, text: str, phase: Phase = Phase.WAITING, code: int | None = None) -> None:
        _resolve(self._waiting, text, phase, code)
        self._waiting.clear()


def _resolve(
    messages: Sequence[PendingMessage], text: str, phase: Phase = Phase.WAITING, code: int | None = None
) -> None:
    for message in messages:
        message.window.resolve(message.reply(phase, code, text))


def _invalid_address(envelope: Envelope) -> Phase | None:
    """The command that would be invalid with one of the addresses."""
    if not is_plain_address(envelope.forward_path):
        return Phase.RCPT
    return None if is_plain_address(envelope.reverse_path) else Phase.MAIL
