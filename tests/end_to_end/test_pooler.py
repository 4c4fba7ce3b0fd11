"""PostgreSQL behind a pooler in transaction mode, where a lock of a session does not last."""

import urllib.request

import pytest
from sqlalchemy import make_url

from digest.run import processes
from tests.support.pooler import pooled
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.processes, pytest.mark.timeout(400)]


@pytest.fixture
def environment(postgresql_url):
    with pooled(postgresql_url) as url:
        yield {
            "DIGEST_DATABASE_URL": url,
            "DIGEST_REDIS_URL": "redis://127.0.0.1:9/0",
            "DIGEST_SMTP_URL": "smtp://127.0.0.1:9",
            "DIGEST_WEB_PORT": str(processes.free_port()),
        }


@pytest.mark.parametrize("program", ["worker", "scheduler", "up"])
def test_a_program_that_needs_locks_refuses_a_pooler_and_names_the_direct_address(
    program, environment, postgresql_url, start_digest, tmp_path
):
    assert start_digest(program, **environment).wait(150) == 3
    told = (tmp_path / f"{program}-0.log").read_text().splitlines()
    (line,) = [line for line in told if "running as root" not in line]
    assert "a pooler in transaction mode" in line
    assert "postgresql://" in line
    assert f"/{make_url(postgresql_url).database}" in line


def test_the_web_works_through_a_pooler(environment, start_digest):
    start_digest("web", **environment)
    port = int(environment["DIGEST_WEB_PORT"])
    wait_for(lambda: processes.answers(port), 150, "the web process")
    for _ in range(8):  # a statement is prepared at its fifth use
        for path in ("", "readyz", "issues", "search?q=graphs"):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}") as answer:
                assert answer.status == 200
