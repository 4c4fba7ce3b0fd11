"""Whole answers in memory, compressed, up to a number of bytes; the least recently used make room for new ones."""

import re
import zlib
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import NamedTuple

Headers = tuple[tuple[bytes, bytes], ...]

_SMALLEST, _LARGEST = 512, 64 << 10  # bytes of a body to compress; a larger one would take long to unpack
_WINDOW = 32 << 10  # bytes that zlib looks back
_OVERHEAD = 700  # bytes that an answer takes besides its body and its path
_MAX_AGE = re.compile(rb"max-age=(\d+)")
_WITHOUT_MAX_AGE = 60.0  # seconds


class Wanted(NamedTuple):
    """The key of an answer: everything but the database that it depends on."""

    path: str
    query: str
    language: str

    @property
    def group(self) -> tuple[str, str]:
        """Answers of a group differ little: they are made from the same template in the same language."""
        return self.path.split("/", 2)[1], self.language


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the app to GET. Times are seconds of a clock that never goes back."""

    status: int
    headers: Headers  # without ETag and Content-Length, so that thousands of answers share theirs
    etag: bytes
    stored: bytes  # the body, compressed if there is a dictionary
    made_at: float
    edition: int  # of the issues, before the answer was made
    dictionary: bytes | None = None

    @property
    def body(self) -> bytes:
        if self.dictionary is None:
            return self.stored
        return zlib.decompressobj(-zlib.MAX_WBITS, self.dictionary).decompress(self.stored)

    @property
    def is_public(self) -> bool:
        return self.status == 200 and b"public" in self._cache_control

    @property
    def lifetime(self) -> float:
        """Seconds for which the answer may be used, by its own word."""
        given = _MAX_AGE.search(self._cache_control)
        return float(given[1]) if given else _WITHOUT_MAX_AGE

    @property
    def _cache_control(self) -> bytes:
        return next((value for name, value in self.headers if name == b"cache-control"), b"")


class AnswerCache:
    """Answers by what they depend on. The first answer of a group is the dictionary for compressing the others, which
    makes a page of 12 kB one of 1 to 2.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit  # bytes
        self.size = 0  # bytes in use, counting what the objects take
        self._answers: OrderedDict[Wanted, Answer] = OrderedDict()
        self._dictionaries: dict[tuple[str, str], bytes] = {}
        self._headers: dict[Headers, Headers] = {}

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, wanted: Wanted) -> Answer | None:
        answer = self._answers.get(wanted)
        if answer is not None:
            self._answers.move_to_end(wanted)
        return answer

    def put(self, wanted: Wanted, answer: Answer) -> None:
        """Keep `answer` in place of an earlier one."""
        self.drop(wanted)
        packed = self._packed(wanted, answer)
        self._answers[wanted] = packed
        self.size += _size(wanted, packed)
        while self.size > self._limit:
            oldest, dropped = self._answers.popitem(last=False)
            self.size -= _size(oldest, dropped)

    def drop(self, wanted: Wanted) -> None:
        """Forget the answer, if there is one."""
        answer = self._answers.pop(wanted, None)
        if answer is not None:
            self.size -= _size(wanted, answer)

    def _packed(self, wanted: Wanted, answer: Answer) -> Answer:
        body = answer.body
        if len(self._headers) > 1000:  # dates of long ago
            self._headers.clear()
        headers = self._headers.setdefault(answer.headers, answer.headers)
        if not _SMALLEST < len(body) < _LARGEST:
            return replace(answer, headers=headers)
        dictionary = self._dictionaries.setdefault(wanted.group, body[-_WINDOW:])
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS, zdict=dictionary)
        return replace(answer, headers=headers, stored=packer.compress(body) + packer.flush(), dictionary=dictionary)


def _size(wanted: Wanted, answer: Answer) -> int:
    return len(answer.stored) + len(wanted.path) + len(wanted.query) + _OVERHEAD
