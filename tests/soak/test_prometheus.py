"""A real Prometheus scrapes a real installation, takes every alert rule and every expression of the dashboard."""

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from digest.run import processes
from digest.run.processes import LOOPBACK, free_port
from tests.monitoring.test_deploy import DEPLOY, panels
from tests.support.commands import Started
from tests.support.waiting import wait_for

CONFIGURATION = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: digest
    static_configs: [{{targets: ["{host}:{port}"]}}]
"""


@pytest.fixture
def tools() -> dict[str, str]:
    found = {name: shutil.which(name) for name in ("prometheus", "promtool")}
    if not all(found.values()):
        pytest.skip("there is no Prometheus on this machine (apt-get install prometheus)")
    return {name: str(path) for name, path in found.items()}


@pytest.fixture
def web_port(start_digest: Started, sqlite_url: str) -> int:
    port = free_port()
    start_digest("web", DIGEST_DATABASE_URL=sqlite_url, DIGEST_WEB_PORT=str(port))
    return port


@pytest.fixture
def prometheus(tools: dict[str, str], web_port: int, tmp_path: Path) -> Iterator[str]:
    """The address of its API."""
    rules = DEPLOY / "prometheus" / "rules.yml"
    file, address = tmp_path / "prometheus.yml", f"{LOOPBACK}:{free_port()}"
    file.write_text(CONFIGURATION.format(rules=json.dumps(str(rules)), host=LOOPBACK, port=web_port))
    command = [tools["prometheus"], f"--config.file={file}", f"--web.listen-address={address}"]
    with (tmp_path / "prometheus.log").open("wb") as log:
        process = processes.start([*command, f"--storage.tsdb.path={tmp_path / 'series'}"], environment={}, output=log)
        yield f"http://{address}/api/v1"
        processes.stop(process)


def asked(address: str, **query: str) -> Any:
    with urllib.request.urlopen(f"{address}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
        return json.load(answer)["data"]


def alerts(address: str) -> dict[str, str]:
    try:
        listed = asked(f"{address}/alerts")["alerts"]
    except OSError:  # it is starting
        return {}
    return {each["labels"]["alertname"]: each["labels"]["severity"] for each in listed if each["state"] == "firing"}


def test_a_problem_is_an_alert_within_a_minute_and_every_expression_can_be_evaluated(prometheus: str) -> None:
    wait_for(lambda: "DigestNoScheduler" in alerts(prometheus), 60, "an alert")
    assert alerts(prometheus)["DigestNoScheduler"] == "critical"
    assert "DigestDown" not in alerts(prometheus)
    for panel in panels():
        for target in panel["targets"]:
            expression = re.sub(r"\$__rate_interval", "1m", target["expr"].replace("$job", "digest"))
            assert asked(f"{prometheus}/query", query=expression)["resultType"] == "vector", expression
    assert len(asked(f"{prometheus}/query", query="digest_build_info")["result"]) == 1


def test_promtool_finds_nothing_to_complain_of(tools: dict[str, str], web_port: int) -> None:
    subprocess.run([tools["promtool"], "check", "rules", DEPLOY / "prometheus" / "rules.yml"], check=True)
    page = f"http://{LOOPBACK}:{web_port}/metrics"

    def answer() -> bytes:
        try:
            with urllib.request.urlopen(page, timeout=5) as opened:
                return bytes(opened.read())
        except OSError:
            return b""

    wait_for(answer, 30, "the page")
    subprocess.run([tools["promtool"], "check", "metrics"], input=answer(), check=True)
