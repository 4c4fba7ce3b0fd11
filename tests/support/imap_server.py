"""An IMAP mailbox, with what is needed for reading unseen messages."""

import re
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class ImapServer(socketserver.ThreadingTCPServer):
    """Keeps messages by UID, and which are seen."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *messages: bytes) -> None:
        self.messages = dict(enumerate(messages, 1))
        self.seen: set[int] = set()
        self.moved: dict[int, str] = {}
        super().__init__(("127.0.0.1", 0), _Session)

    @property
    def url(self) -> str:
        return f"imap://ann:secret@127.0.0.1:{self.server_address[1]}/INBOX"


class _Session(socketserver.StreamRequestHandler):
    server: ImapServer

    def handle(self) -> None:
        self.wfile.write(b"* OK ready\r\n")
        for line in self.rfile:
            tag, _, command = line.decode().strip().partition(" ")
            for answer in self._answers(command):
                self.wfile.write(answer + b"\r\n")
            self.wfile.write(f"{tag} {'NO wrong password' if 'wrong' in command else 'OK done'}\r\n".encode())
            if command == "LOGOUT":
                return

    def _answers(self, command: str) -> list[bytes]:
        name, _, rest = command.removeprefix("UID ").partition(" ")
        number = int(match[0]) if (match := re.match(r"\d+", rest)) else 0
        if name == "CAPABILITY":
            return [b"* CAPABILITY IMAP4rev1 MOVE"]
        if name == "SEARCH":
            waiting = [uid for uid in self.server.messages if uid not in self.server.seen | set(self.server.moved)]
            return [f"* SEARCH {' '.join(map(str, waiting))}".encode()]
        if name == "FETCH":
            body = self.server.messages[number]
            return [f"* {number} FETCH (UID {number} BODY[]<0> {{{len(body)}}}".encode() + b"\r\n" + body + b")"]
        if name == "STORE":
            self.server.seen.add(number)
        if name == "MOVE":
            self.server.moved[number] = rest.split()[1].strip('"')
        return [b"* 1 EXISTS"] if name == "SELECT" else []


@contextmanager
def imap_server(*messages: bytes) -> Iterator[ImapServer]:
    with ImapServer(*messages) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
