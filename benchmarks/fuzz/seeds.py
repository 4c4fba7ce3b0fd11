"""The first inputs of the runs: a few of each kind, and recorded data if this machine has it."""

import gzip
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from digest.subscribers.tokens import Purpose, sign
from tests.support.scenario import MORNING

RECORDED = Path(__file__).parents[3] / "shared" / "data"
_MOST = 150  # files of a folder
_LONGEST = 20_000  # bytes
_FOLDERS = {
    "reports": ("bounces/sisimai", "bounces/flufl.bounce"),
    "arxiv": ("arxiv/atom", "arxiv/rss", "arxiv/recorded"),
    "feeds": ("arxiv/atom", "arxiv/rss"),
    "votes": ("hackernews", "hf/api_samples"),
    "lists": ("hf/api_samples",),
    "addresses": ("addresses/isemail",),
}
_PAPER = {"id": "2605.00001", "title": "A title", "abstract": "Text", "authors": ["Ada"], "votes": 3}
_BOUNCE = b"""From: MAILER-DAEMON@mx.example
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

<ann@example.net>: 550 5.1.1 user unknown
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; ann@example.net
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 user unknown
--b--
"""
_COMPLAINT = b"""Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b
Content-Type: message/feedback-report

Feedback-Type: abuse
Original-Rcpt-To: ann@example.net
--b--
"""
_ATOM = b"""<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><entry><id>http://arxiv.org/abs/2605.00001v1</id>
<title>A $\\alpha$ title</title><summary>Text &amp; more</summary><author><name>Ada</name></author>
<published>2026-05-01T00:00:00Z</published><link href="https://example.org/a" rel="alternate"/></entry></feed>"""
_RSS = b"""<rss version="2.0"><channel><title>List</title><item><title>A title</title><link>https://example.org/a</link>
<guid>oai:arXiv.org:2605.00001v1</guid><description>arXiv:2605.00001v1 Announce Type: new Abstract: Text</description>
<pubDate>Fri, 01 May 2026 00:00:00 -0400</pubDate></item></channel></rss>"""
_WEBHOOKS = (
    {
        "RecordType": "Bounce",
        "Type": "HardBounce",
        "Email": "ann@example.net",
        "Details": "550 5.1.1",
        "BouncedAt": "1",
    },
    [{"event": "bounce", "email": "ann@example.net", "reason": "550 5.1.1", "timestamp": 1, "smtp-id": "<a@b>"}],
    {
        "event-data": {
            "event": "failed",
            "recipient": "ann@example.net",
            "delivery-status": {"code": 550},
            "timestamp": 1,
        }
    },
    {"kind": "hard", "recipient": "ann@example.net", "status": "5.1.1", "diagnostic": "no", "at": "2026-05-01T00:00Z"},
    {"Type": "SubscriptionConfirmation", "SubscribeURL": "https://sns.us-east-1.amazonaws.com/?a", "TopicArn": "arn"},
)
_LIBRARIES = (
    b"@article{a, title={On {Attention}}, eprint={2405.17247}, url = {https://arxiv.org/abs/2405.17247}}\n",
    b'@string{j = "Journal"}\n@misc{b, title = "A" # j, note = {arXiv:2405.17247}}\n',
    b"TY  - JOUR\nTI  - On Attention\nUR  - https://arxiv.org/abs/2405.17247\nAB  - Text\nER  - \n",
    b'[{"title": "On Attention", "URL": "https://arxiv.org/abs/2405.17247", "id": 1}]',
    b"2405.17247\nhttps://arxiv.org/abs/hep-th/9901001\nOn Attention\n",
)
_IMPORTS = (
    b"email,status,created_at\nann@example.net,confirmed,2026-01-01\nbob@example.net,unsubscribed,\n",
    b'E-Mail;Name\r\n"Ann" <ann@example.net>;Ann\r\n',
    b'{"email": "ann@example.net", "preferences": {"papers": 5, "topics": ["a"]}}\n{"email": "b@example.net"}\n',
    "\ufeffAdresse\tPrénom\nann@example.net\tAnn\n".encode("utf-16"),
    b"ann@example.net\nbob@example.net\n",
)
_TEXTS = (
    rb"We show $\alpha_{1} \leq \frac{1}{n}$ for \textbf{all} $x \in \mathbb{R}^{n}$ \cite{a}",
    b"<b>bold</b> &amp; ``quoted'' --- na\\\"ive {\\em text} \\[x^2\\] \\begin{equation} a \\end{equation}",
)
_SETTINGS = (
    b"# settings\nDIGEST_SECRET_KEY='a # b'\nexport DIGEST_SMTP_URL=\"smtp://x\" # why\nOTHER=1\n",
    b'DIGEST_A="a\\"b"\nDIGEST_B=a\\\nDIGEST_C=\'x\n',
)
_LINES = {
    "addresses": (b"ann@example.net", "jürgen@bücher.example".encode(), b'"a b"@example.org', b"a@[127.0.0.1]", b"a@b"),
    "languages": (b"en", b"zh-TW, zh;q=0.9, en-GB;q=0.8, *;q=0.1", b"de;q=x, , ;", b"*"),
    "replies": (b"250 ok\r\n", b"220-mx\r\n220 ready\r\n250-PIPELINING\r\n250 8BITMIME\r\n550 5.1.1 no\r\n", b"421\n"),
    "keys": (b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n", b"MII"),
}


def seeds(target: str) -> Iterator[bytes]:
    """The first inputs of a target."""
    yield from _written(target)
    for name in _FOLDERS.get(target, ()):
        files = sorted(file for file in (RECORDED / name).rglob("*") if file.is_file())
        small = (file for file in files if file.stat().st_size <= _LONGEST)
        yield from (file.read_bytes() for file in islice(small, _MOST))
    awkward = RECORDED / "arxiv" / "awkward_records.jsonl"
    if target == "texts" and awkward.exists():
        records = map(json.loads, awkward.read_text(encoding="utf-8").splitlines())
        yield from (record["summary"].encode() for record in islice(records, _MOST))
    papers = RECORDED / "hf" / "daily_papers.jsonl.gz"
    if target == "votes" and papers.exists():
        with gzip.open(papers) as lines:
            yield from (b"[" + line.strip() + b"]" for line in islice(lines, 20))


def _written(target: str) -> Iterator[bytes]:
    fixed: dict[str, tuple[bytes, ...]] = {
        "reports": (_BOUNCE, _COMPLAINT),
        "webhooks": tuple(json.dumps(body).encode() for body in _WEBHOOKS),
        "feeds": (_ATOM, _RSS),
        "arxiv": (_ATOM, _RSS),
        "lists": (json.dumps(_PAPER).encode(), json.dumps([_PAPER]).encode()),
        "votes": (json.dumps({"hits": [{"url": "https://arxiv.org/abs/2605.00001", "points": 3}]}).encode(),),
        "libraries": _LIBRARIES,
        "imports": _IMPORTS,
        "texts": _TEXTS,
        "settings": _SETTINGS,
        # Signed with another key than the one that the target checks with.
        "tokens": tuple(sign(purpose, 7, MORNING, (b"x" * 32,)).encode() for purpose in Purpose),
        **_LINES,
    }
    yield from fixed[target]
