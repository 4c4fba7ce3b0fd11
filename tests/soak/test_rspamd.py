"""No kind of email has content that rspamd's own rules find fault with; it looks nothing up."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from email.utils import format_datetime
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from digest.clock import now
from digest.run.processes import free_port
from tests.mail.builders import LANGUAGES, every_message
from tests.support.waiting import wait_for

pytestmark = [
    pytest.mark.skipif(
        shutil.which("rspamd") is None, reason="rspamd is not installed (Debian: apt-get install rspamd)"
    ),
    pytest.mark.timeout(300),
]
CONFIGURATION = """
lua = "$RULESDIR/rspamd.lua"
.include "$CONFDIR/metrics.conf"
.include "$CONFDIR/actions.conf"
.include "$CONFDIR/groups.conf"
.include "$CONFDIR/composites.conf"
options {{
    pidfile = "{folder}/pid"; control_socket = "{folder}/control"; hs_cache_dir = "{folder}"; tempdir = "{folder}";
    url_tld = "$SHAREDIR/effective_tld_names.dat"; filters = "chartable,regexp";
    dns {{ nameserver = ["127.0.0.1:9:1"]; timeout = 0.05s; retransmits = 1; }}
}}
logging {{ type = "console"; level = "error"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
"""
PREHEADER = ("MANY_INVISIBLE_PARTS", 0.05)  # one hidden part, which every message has; it counts from the second on


@pytest.fixture
def scanner(tmp_path: Path) -> Iterator[str]:
    """The address of an rspamd with its rules about headers, texts, HTML and addresses, and none that asks others."""
    port, file = free_port(), tmp_path / "rspamd.conf"
    file.write_text(CONFIGURATION.format(folder=tmp_path, port=port))
    folders = [f"--var={name}={tmp_path}" for name in ("DBDIR", "RUNDIR", "LOGDIR", "LOCAL_CONFDIR")]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(["rspamd", "-f", "-i", "-c", str(file), *folders], stdout=log, stderr=log)
    try:
        wait_for(lambda: _answers(port), 200, "rspamd")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def _answers(port: int) -> bool:
    with suppress(URLError, ConnectionError), urlopen(f"http://127.0.0.1:{port}/ping", timeout=5) as answer:
        return bool(answer.read())
    return False


def points(scanner: str, message: bytes) -> dict[str, float]:
    """The points against a message that is dated now, by the name of the rule."""
    today = re.sub(rb"^Date: [^\r]*", b"Date: " + format_datetime(now()).encode(), message, count=1, flags=re.MULTILINE)
    with urlopen(f"{scanner}/checkv2", data=today, timeout=60) as answer:
        symbols = json.load(answer)["symbols"]
    return {name: symbol["score"] for name, symbol in symbols.items() if symbol["score"] > 0}


def test_no_email_gets_a_point_for_its_content(scanner: str) -> None:
    found = {
        (code, str(kind)): given
        for code in LANGUAGES.codes
        for kind, message in every_message(code).items()
        if (given := points(scanner, message)) != dict([PREHEADER])
    }
    assert found == {}
    spoiled = every_message()[next(iter(every_message()))].replace(b"Subject: ", b"Subject: RE: RE: FREE $$$ ")
    assert points(scanner, spoiled) != dict([PREHEADER]), "the scanner finds something"
