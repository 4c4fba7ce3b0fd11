"""The workflow for GitHub Actions: its steps run here as on GitHub, with a local SMTP server and local sources."""

import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from tests.run.test_once import ADA, MORNING, papers_in
from tests.support.daily_lists import daily_lists

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / "deploy" / "github" / "digest.yml"
_EXPRESSION = re.compile(r"\$\{\{ *([\w.]+) *\}\}")


@pytest.fixture(scope="module")
def job():
    (job,) = yaml.safe_load(WORKFLOW.read_text())["jobs"].values()
    return job


def step(job, name):
    return next(each for each in job["steps"] if each.get("name") == name)


@pytest.fixture
def run_step(job, tmp_path, smtp_server, clock, monkeypatch):
    """Run a step in a new checkout, with the folder of the previous run from the cache."""
    values = {"secrets.DIGEST_TO": ADA, "secrets.SMTP_URL": smtp_server.url, "vars.DIGEST_MAIL_FROM": ""}
    kept = tmp_path / "cache"

    def run(name, at=MORNING, profile=""):
        clock.move_to(at)
        checkout = tmp_path / f"checkout-{at:%d%H}"
        checkout.mkdir()
        if kept.exists():
            shutil.copytree(kept, checkout / "digest-once")
        if profile:
            (checkout / "profile.toml").write_text(profile)
        given = step(job, name).get("env", {})
        own = {key: _EXPRESSION.sub(lambda match: values[match[1]], text) for key, text in given.items()}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step(job, name)["run"]]
        environment = {**os.environ, "PATH": path, **own}
        done = subprocess.run(shell, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
        shutil.rmtree(kept, ignore_errors=True)
        if (checkout / "digest-once").exists():  # also after a failure
            shutil.copytree(checkout / "digest-once", kept)
        return done

    with daily_lists() as lists:
        monkeypatch.setenv("DIGEST_SOURCES", "huggingface")
        monkeypatch.setenv("DIGEST_HUGGINGFACE_URL", lists.url)
        run.lists = lists
        yield run


@pytest.mark.processes
def test_two_mornings_bring_two_emails_without_a_paper_twice(run_step, smtp_server):
    first = run_step("Send", profile="papers = 5")
    assert first.returncode == 0, first.stderr
    run_step.lists.is_down = True
    assert run_step("Send", MORNING + timedelta(hours=10)).returncode == 0  # started by hand: nothing to do
    assert run_step("Send", MORNING + timedelta(hours=24)).returncode == 1  # no source answers
    run_step.lists.is_down = False
    second = run_step("Send", MORNING + timedelta(hours=25), profile="papers = 5")
    assert second.returncode == 0, second.stderr
    seen = [papers_in(message.content) for message in smtp_server.taken]
    assert ([len(papers) for papers in seen], len(set().union(*seen))) == ([5, 5], 10)


def test_the_folder_is_restored_before_sending_and_stored_even_after_a_failure(job):
    names = [each.get("name") for each in job["steps"]]
    restore, store = step(job, "Restore the folder"), step(job, "Store the folder")
    assert names.index("Restore the folder") < names.index("Send") < names.index("Store the folder")
    assert restore["with"]["path"] == store["with"]["path"] == "digest-once"
    assert "--data-dir digest-once" in step(job, "Send")["run"]
    assert store["with"]["key"] == restore["with"]["key"]
    assert restore["with"]["key"].startswith(restore["with"]["restore-keys"])
    assert "github.run_id" in store["with"]["key"], "a cache is never changed: each run needs its own"
    assert store["if"] == "always()"


def test_no_secret_is_written_into_a_command(job):
    commands = [each["run"] for each in job["steps"] if "run" in each]
    assert len(commands) == 2
    assert not any("${{" in command for command in commands)


def test_it_runs_each_morning_or_by_hand_one_at_a_time_with_read_only_rights():
    workflow = yaml.safe_load(WORKFLOW.read_text())
    begins = workflow[True]  # YAML 1.1 reads the key "on" as true
    (schedule,) = begins["schedule"]
    minute, hour, *rest = schedule["cron"].split()
    assert datetime(2026, 3, 4, int(hour), int(minute), tzinfo=UTC).minute != 0
    assert rest == ["*", "*", "*"]
    assert "workflow_dispatch" in begins
    assert (workflow["permissions"], workflow["concurrency"]["cancel-in-progress"]) == ({"contents": "read"}, False)
