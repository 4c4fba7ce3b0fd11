"""One open connection on which messages go one after another (RFC 5321 §3.3), pipelined where offered (RFC 2920).

The content of a message and the commands of the next go out in one write, so that a message costs one round trip.
Everything happens in the transport's callbacks; a reply wakes no task.
"""

import asyncio
import time
from collections import deque
from math import inf

from digest.smtp.envelope import Outcome
from digest.smtp.receipt import Phase, Reply, broken, receipt
from digest.smtp.transport import BufferedConnection, Deadline
from digest.smtp.window import Owner, PendingMessage, Timeouts
from digest.smtp.wire import PHASES, ExpectedReply, Replies, Surprise, commands, stuffed

_START_INPUT = 354
_CLOSING = 421
_GOODBYE = 1.0  # seconds to wait for the reply to QUIT
_IDLE = 60.0  # seconds; a connection that a firewall has forgotten by then would be found out only by its silence
# A content that may not fit into the kernel's buffer goes alone: if it is cut off, it is known that it was.
_GOES_ALONE = 65_536


class Session(BufferedConnection):
    """At most one content is on its way (`_content`), and behind it the commands of one message (`_said`)."""

    def __init__(self, owner: Owner, messages: int, pipelining: bool, timeouts: Timeouts) -> None:
        """`messages`: as many at most, then QUIT."""
        self._owner = owner
        self._left = messages
        self._pipelining = pipelining
        self._timeouts = timeouts
        self._replies = Replies()
        self._awaited: deque[ExpectedReply] = deque()
        self._unsaid: list[
            tuple[ExpectedReply, bytes]
        ] = []  # commands, where one waits for the reply to the one before
        self._content: PendingMessage | None = None
        self._said: PendingMessage | None = None
        self._no: Reply | None = None  # the first refusal of `_said`
        self._recipient_taken = False
        self._ahead = False  # something whose answer comes before those to `_said`
        self._used = False
        self._stale = False  # it was idle, and nothing was heard since
        self._over = False
        self._just_begun = False
        self._written_at = 0.0
        self._round = 0.0  # seconds from the last content to its reply
        self._message_due = inf  # monotonic
        self._alarm = Deadline(self._ring)

    def take_over(self, transport: asyncio.Transport) -> None:
        """Go on where aiosmtplib has greeted and logged in."""
        super().take_over(transport)
        self._watch()

    def work(self) -> bool:
        """Begin with what waits; whether there was something. Only while it is idle."""
        turn = self._owner.take(0)
        if turn is None:
            return False
        self._stale, self._used = self._used, True
        self.write(self._say(turn))
        self._watch()
        return True

    def leave(self) -> None:
        """Say goodbye; only while it is idle."""
        self._left = 0
        self._awaited.append(ExpectedReply.QUIT)
        self.write(b"QUIT\r\n")
        self._watch()

    def withdraw(self, now: float) -> None:
        """A message that waits behind another one's content, and will be too late: its window need not wait."""
        turn = self._said
        if turn is not None and self._content is not None and turn.window.begin_until <= now:
            self._said = None  # the connection ends with the reply to the content: what was said cannot be unsaid
            self._owner.settle(turn, turn.unbegun("its turn did not come in time"))

    def end(self, problem: str) -> None:
        """Hang up, at once and for good."""
        if self._over:
            return
        self._over = True
        cut_off = self.is_cut_off()
        self.transport.abort()
        self._alarm.stop()
        content, self._content = self._content, None
        said, self._said = self._said, None
        if content is not None:
            phase = Phase.DATA if cut_off else Phase.CONTENT
            self._owner.settle(content, broken(content.envelope.delivery_id, phase, problem, content.window.now()))
        if said is not None:
            self._lose(said, problem)
        self._owner.ended(self)

    # --- the transport's callbacks ---

    def data_received(self, data: bytes) -> None:
        """Replies, or pieces of them."""
        if self._over:
            return
        heard = self._just_begun = False
        try:
            for code, text in self._replies.feed(data):
                if self._just_begun:
                    raise Surprise("the server answered to a message before it had it")
                heard, self._stale = True, False
                self._answer(code, text)
                if self._over:
                    return
        except Surprise as problem:
            self.end(str(problem))
        else:
            if heard:  # a piece of a reply is no progress
                self._watch()

    def eof_received(self) -> None:
        """The server closed the connection."""
        self.end("the server closed the connection")

    def connection_lost(self, error: Exception | None) -> None:
        """It is gone."""
        self.end(f"the connection was lost: {error}" if error else "the connection was lost")

    # --- replies ---

    def _answer(self, code: int, text: str) -> None:
        step = self._awaited.popleft() if self._awaited else None
        if step is ExpectedReply.CONTENT:
            self._content_answered(Reply(Phase.CONTENT, code, text))
        elif code == _CLOSING or step is None or step is ExpectedReply.QUIT:
            if step in PHASES:
                self._settle_said(Reply(PHASES[step], code, text))
            self.end(f"the server said {code} {text}")
        elif step is ExpectedReply.DATA:
            self._data_answered(code, text)
        elif step is ExpectedReply.EMPTY or step is ExpectedReply.RESET:
            self._ahead = False
            if not self._awaited:
                self._go_on()
        else:
            self._command_answered(step, Reply(PHASES[step], code, text))

    def _command_answered(self, step: ExpectedReply, reply: Reply) -> None:
        if not 200 <= reply.code < 300:
            self._no = self._no or reply
        elif step is ExpectedReply.RCPT:
            self._recipient_taken = True
        if self._pipelining:
            return
        if self._no is None:
            following, command = self._unsaid.pop()
            self._awaited.append(following)
            self.write(command)
        else:
            self._settle_said(self._no)
            self._go_on(b"RSET\r\n", step=ExpectedReply.RESET)

    def _data_answered(self, code: int, text: str) -> None:
        if code == _START_INPUT and self._no is None:
            self._begin()
            return
        self._settle_said(Reply(Phase.DATA, code, text))
        if code >= 400:
            self._go_on(b"RSET\r\n", step=ExpectedReply.RESET)
        elif code == _START_INPUT and not self._recipient_taken:
            self._go_on(b".\r\n", step=ExpectedReply.EMPTY)  # to nobody (RFC 2920 §3.1)
        else:
            self.end("the server does not follow the protocol")

    def _begin(self) -> None:
        turn = self._said
        assert turn is not None
        content = stuffed(turn.envelope.message, turn.envelope.may_have_dots)
        self._said = None
        why_not = self._owner.begin(turn)
        if why_not:
            # After 354 there is no way back but to hang up: even a lone dot would deliver a mail.
            self._owner.settle(turn, turn.unbegun(why_not))
            self.end(why_not)
            return
        self._content = turn
        self._written_at, self._just_begun = time.monotonic(), True
        self._go_on(*content, step=ExpectedReply.CONTENT)

    def _content_answered(self, reply: Reply) -> None:
        turn = self._content
        assert turn is not None
        problem = f"the server said {reply.code} {reply.text}"
        early = self.is_cut_off()
        result = receipt(turn.envelope.delivery_id, reply, turn.window.now())
        if result.outcome is Outcome.UNCERTAIN or (early and reply.code < 400):
            self.end(problem)  # it answered to what it did not have, or what is no answer
            return
        now = time.monotonic()
        self._round = now - self._written_at
        self._content = None
        self._owner.settle(turn, result)
        withdrawn = bool(self._awaited) and self._said is None
        if reply.code == _CLOSING or early or withdrawn:
            self.end(problem)
            return
        self._ahead = False
        self._message_due = now + self._timeouts.message  # of the one that was said behind it
        if not self._awaited:
            self._go_on()

    # --- what is written ---

    def _go_on(self, *data: bytes, step: ExpectedReply | None = None) -> None:
        """Write `data`, which `step` will answer, and the commands of the next message if they may go with it."""
        behind = 0
        if step is not None:
            self._awaited.append(step)
        if self._left > 0 and (not data or (self._pipelining and sum(map(len, data)) <= _GOES_ALONE)):
            # Whoever takes one now begins it after another such round.
            turn = self._owner.take(2 * self._round if step is ExpectedReply.CONTENT else 0)
            if turn is not None:
                self._ahead = step is not None
                said = self._say(turn)
                data, behind = (*data, said), len(said)
        if data:
            if not self.write(*data, behind=behind):
                self.end("the connection was lost")
        elif self._left > 0:
            self._owner.idle(self)
        else:
            self.leave()

    def _say(self, turn: PendingMessage) -> bytes:
        self._said, self._no, self._recipient_taken = turn, None, False
        self._left -= 1
        if self._content is None:
            self._message_due = time.monotonic() + self._timeouts.message
        mail, rcpt, data = commands(turn.envelope.reverse_path, turn.envelope.forward_path)
        if self._pipelining:
            self._awaited.extend(PHASES)
            return mail + rcpt + data
        self._awaited.append(ExpectedReply.MAIL)
        self._unsaid = [(ExpectedReply.DATA, data), (ExpectedReply.RCPT, rcpt)]
        return mail

    # --- when it goes wrong ---

    def _settle_said(self, reply: Reply) -> None:
        """What was said is refused: by this reply, or by an earlier one that decided."""
        turn, self._said = self._said, None
        if turn is not None:
            self._owner.settle(turn, receipt(turn.envelope.delivery_id, self._no or reply, turn.window.now()))

    def _lose(self, turn: PendingMessage, problem: str) -> None:
        number, at = turn.envelope.delivery_id, turn.window.now
        if self._no is not None:
            self._owner.settle(turn, receipt(number, self._no, at()))
        elif self._ahead or self._stale:
            self._owner.put_back(turn)
        else:
            phase = next((PHASES[step] for step in self._awaited if step in PHASES), Phase.MAIL)
            self._owner.settle(turn, broken(number, phase, problem, at()))

    # --- time ---

    def _watch(self) -> None:
        """When the reply that comes next is due."""
        step, now = self._awaited[0] if self._awaited else None, time.monotonic()
        if step is None:
            self._alarm.set(now + _IDLE)
        elif step is ExpectedReply.QUIT:
            self._alarm.set(now + _GOODBYE)
        else:
            wait = self._timeouts.final_reply if step is ExpectedReply.CONTENT else self._timeouts.command
            self._alarm.set(min(now + wait, self._message_due))

    def _ring(self) -> None:
        if self._awaited:
            self.end("the server did not answer in time")
        else:
            self._owner.retire(self)
