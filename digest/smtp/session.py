"""One open connection that sends messages one after another (RFC 5321 §3.3), pipelined if offered (RFC 2920).

The content of a message and the commands of the next are sent in one write, so that a message costs one round trip.
Everything happens in the transport's callbacks; a reply wakes no task.
"""

import asyncio
from collections import deque
from math import inf
from typing import TYPE_CHECKING

from digest import machine_clock
from digest.smtp.connection import (
    PHASES,
    BufferedConnection,
    Deadline,
    ExpectedReply,
    ProtocolError,
    Replies,
    commands,
    dot_stuffed,
)
from digest.smtp.submission import PendingMessage, Phase, Reply, Timeouts

if TYPE_CHECKING:
    from digest.smtp.pool import ConnectionPool

_START_INPUT = 354
_CLOSING = 421
_TOO_MANY_RECIPIENTS = "4.5.3"  # of this session, as each message has one
_QUIT_SECONDS = 1.0  # to wait for the reply to QUIT
_IDLE_SECONDS = 60.0  # a connection that a firewall has forgotten by then would only be noticed by its silence
# Content that may not fit into the kernel's buffer is sent by itself: if it is cut off, that is certain.
_MAX_COMBINED_BYTES = 65_536


class Session(BufferedConnection):
    """At most one content is on its way (`_sending`), followed by the commands of one message (`_commanded`)."""

    def __init__(
        self, pool: "ConnectionPool", transport: asyncio.Transport, messages: int, pipelining: bool, timeouts: Timeouts
    ) -> None:
        """Continue after aiosmtplib has greeted and logged in. Send up to `messages`, then QUIT."""
        super().__init__(transport)
        self._pool = pool
        self._messages_left = messages
        self._pipelining = pipelining
        self._timeouts = timeouts
        self._replies = Replies()
        self._awaited: deque[ExpectedReply] = deque()
        self._unsent_commands: list[tuple[ExpectedReply, bytes]] = []  # without pipelining; the last one goes next
        self._sending: PendingMessage | None = None
        self._commanded: PendingMessage | None = None
        self._refusal: Reply | None = None  # the first one of `_commanded`
        self._recipient_accepted = False
        self._settled = 0  # messages of which the server had at least the recipient
        self._is_queued = False  # the reply to something earlier comes before those to `_commanded`
        self._used = False
        self._stale = False  # it was idle, and the server has not replied since
        self._ended = self._just_begun = False
        self._written_at = 0.0
        self._round_trip = 0.0  # seconds from the last content to its reply
        self._message_due = inf  # monotonic
        self._deadline = Deadline(self._on_deadline)
        self._set_deadline()

    # --- called by the pool; the first two only while it is idle ---

    def start_next(self) -> bool:
        """Begin with a waiting message. Returns whether there was one."""
        message = self._pool.next_message(0)
        if message is None:
            return False
        self._stale, self._used = self._used, True
        self.write(self._commands_for(message))
        self._set_deadline()
        return True

    def quit(self) -> None:
        self._messages_left = 0
        self._awaited.append(ExpectedReply.QUIT)
        self.write(b"QUIT\r\n")
        self._set_deadline()

    def withdraw(self, now: float) -> None:
        """Give up a message that waits behind another one's content and would begin too late."""
        message = self._commanded
        if message is not None and self._sending is not None and message.window.begin_until <= now:
            self._commanded = None  # its commands cannot be unsent: the connection ends with the reply to the content
            self._pool.settle(message, message.not_attempted("its turn did not come in time"))

    def abort(self, problem: str) -> None:
        """Disconnect at once, without QUIT."""
        if self._ended:
            return
        self._ended = True
        cut_off = self.is_cut_off()
        self.transport.abort()
        self._deadline.stop()
        sending, commanded, self._sending, self._commanded = self._sending, self._commanded, None, None
        if sending is not None:
            phase = Phase.DATA if cut_off else Phase.CONTENT
            self._pool.settle(sending, sending.reply(phase, None, problem))
        if commanded is not None:
            self._settle_unanswered(commanded, problem)
        self._pool.remove(self)

    # --- the transport's callbacks ---

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        answered = self._just_begun = False
        try:
            for code, text in self._replies.feed(data):
                if self._just_begun:
                    raise ProtocolError("the server replied to a message before it had it")
                answered = True
                self._handle_reply(code, text)
                self._stale = False
                if self._ended:
                    return
        except ProtocolError as problem:
            self.abort(str(problem))
        else:
            if answered:  # part of a reply is not progress
                self._set_deadline()

    def eof_received(self) -> None:
        self.abort("the server closed the connection")

    def connection_lost(self, error: Exception | None) -> None:
        self.abort(f"the connection was lost: {error}" if error else "the connection was lost")

    # --- replies ---

    def _handle_reply(self, code: int, text: str) -> None:
        step = self._awaited.popleft() if self._awaited else None
        if step is ExpectedReply.CONTENT:
            self._content_answered(code, text)
        elif code == _CLOSING or step is None or step is ExpectedReply.QUIT:
            if step in PHASES:
                self._reject_commanded(PHASES[step], code, text)
            self.abort(f"the server said {code} {text}")
        elif step is ExpectedReply.DATA:
            self._data_answered(code, text)
        elif step is ExpectedReply.RESET:
            self._is_queued = False
            if not self._awaited:
                self._continue()
        else:
            self._command_answered(step, code, text)

    def _command_answered(self, step: ExpectedReply, code: int, text: str) -> None:
        assert self._commanded is not None
        if not 200 <= code < 300:
            self._refusal = self._refusal or self._commanded.reply(PHASES[step], code, text)
        elif step is ExpectedReply.RCPT:
            self._recipient_accepted = True
        if self._pipelining:
            return
        if self._refusal is None:
            next_step, command = self._unsent_commands.pop()
            self._awaited.append(next_step)
            self.write(command)
        else:
            self._reject_commanded(PHASES[step], code, text)
            self._continue(b"RSET\r\n", step=ExpectedReply.RESET)

    def _data_answered(self, code: int, text: str) -> None:
        if code == _START_INPUT and self._refusal is None:
            self._send_content()
            return
        self._reject_commanded(Phase.DATA, code, text)
        if code >= 400:
            self._continue(b"RSET\r\n", step=ExpectedReply.RESET)
        elif code == _START_INPUT and not self._recipient_accepted:
            self._continue(b".\r\n", step=ExpectedReply.RESET)  # to nobody (RFC 2920 §3.1)
        else:
            self.abort("the server does not follow the protocol")

    def _send_content(self) -> None:
        message = self._commanded
        assert message is not None
        content, self._commanded = dot_stuffed(message.envelope.message, message.envelope.may_have_dots), None
        due = min(self._message_due, message.window.begin_until + self._timeouts.message)
        is_late = machine_clock.monotonic() >= due  # a suspended process reads before it looks at timers
        problem = "its time was over before it could begin" if is_late else self._pool.begin(message)
        if problem:
            # After 354 the only way to send nothing is to disconnect: even a lone dot would deliver a message.
            self._pool.settle(message, message.not_attempted(problem))
            self.abort(problem)
            return
        self._sending = message
        self._written_at, self._just_begun = machine_clock.monotonic(), True
        self._continue(*content, step=ExpectedReply.CONTENT)

    def _content_answered(self, code: int, text: str) -> None:
        message = self._sending
        assert message is not None
        problem = f"the server said {code} {text}"
        early = self.is_cut_off()
        reply = message.reply(Phase.CONTENT, code, text)
        if code < 400 and (early or not reply.is_acceptance):
            self.abort(problem)  # it does not have the message, or this is not a final reply
            return
        now = machine_clock.monotonic()
        self._round_trip = now - self._written_at
        self._sending = None
        self._settled += 1
        self._pool.settle(message, reply)
        withdrawn = bool(self._awaited) and self._commanded is None
        if code == _CLOSING or early or withdrawn:
            self.abort(problem)
            return
        self._is_queued = False
        self._message_due = now + self._timeouts.message  # of `_commanded`
        if not self._awaited:
            self._continue()

    # --- writing ---

    def _continue(self, *data: bytes, step: ExpectedReply | None = None) -> None:
        """Write `data`, which the reply `step` will answer, and the next message's commands if they can go with it."""
        behind = 0
        if step is not None:
            self._awaited.append(step)
        if self._messages_left > 0 and (not data or (self._pipelining and sum(map(len, data)) <= _MAX_COMBINED_BYTES)):
            # A message that is taken behind a content begins after another such round trip.
            message = self._pool.next_message(2 * self._round_trip if step is ExpectedReply.CONTENT else 0)
            if message is not None:
                self._is_queued = step is not None
                following = self._commands_for(message)
                data, behind = (*data, following), len(following)
        if data:
            if not self.write(*data, behind=behind):
                self.abort("the connection was lost")
        elif self._messages_left > 0:
            self._pool.add_idle(self)
        else:
            self.quit()

    def _commands_for(self, message: PendingMessage) -> bytes:
        self._commanded, self._refusal, self._recipient_accepted = message, None, False
        self._messages_left -= 1
        if self._sending is None:
            self._message_due = machine_clock.monotonic() + self._timeouts.message
        mail, rcpt, data = commands(message.envelope.reverse_path, message.envelope.forward_path)
        if self._pipelining:
            self._awaited.extend(PHASES)
            return mail + rcpt + data
        self._awaited.append(ExpectedReply.MAIL)
        self._unsent_commands = [(ExpectedReply.DATA, data), (ExpectedReply.RCPT, rcpt)]
        return mail

    # --- failures ---

    def _reject_commanded(self, phase: Phase, code: int, text: str) -> None:
        message, self._commanded = self._commanded, None
        if message is not None:
            self._reject(message, message.reply(phase, code, text))

    def _settle_unanswered(self, message: PendingMessage, problem: str) -> None:
        if self._refusal is None and (self._is_queued or self._stale):
            self._pool.requeue(message, problem)
        else:
            phase = next((PHASES[step] for step in self._awaited if step in PHASES), Phase.MAIL)
            self._reject(message, message.reply(phase, None, problem))

    def _reject(self, message: PendingMessage, reply: Reply) -> None:
        """Settle a message by its first refusal, or send it elsewhere if that is only about a used connection."""
        reply = self._refusal or reply
        is_about_session = reply.code == _CLOSING or reply.text.startswith(_TOO_MANY_RECIPIENTS)
        if self._settled and (is_about_session or reply.phase is Phase.MAIL):
            self._messages_left = 0
            if reply.phase is Phase.MAIL and not self._stale:
                self._pool.note_limit(self, self._settled)
            self._pool.requeue(message, reply.text)
        else:
            self._settled += reply.phase is not Phase.MAIL
            self._pool.settle(message, reply)

    # --- time ---

    def _set_deadline(self) -> None:
        """Set when the next reply is due."""
        step, now = self._awaited[0] if self._awaited else None, machine_clock.monotonic()
        if step is None:
            self._deadline.set(now + _IDLE_SECONDS)
        elif step is ExpectedReply.QUIT:
            self._deadline.set(now + _QUIT_SECONDS)
        else:
            wait = self._timeouts.final_reply if step is ExpectedReply.CONTENT else self._timeouts.command
            self._deadline.set(min(now + wait, self._message_due))

    def _on_deadline(self) -> None:
        if self._awaited:
            self.abort("the server did not answer in time")
        else:
            self._pool.retire(self)
