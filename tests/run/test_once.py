"""`digest once`, from the sources to an email, in one folder and with a real mail server."""

import contextlib
import json
import re
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from digest.lint import ParsedMessage
from digest.run.once import personal_settings
from digest.settings import Settings
from tests.support.daily_lists import daily_lists
from tests.support.replay import Replay, Reply, replaying
from tests.support.smtp_server import KEEP_AND_HANG_UP, Step

ADA = "ada@example.org"
MORNING = datetime(2026, 3, 4, 6, 30, tzinfo=UTC)
PAPER = re.compile(r"arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{5})")


@pytest.fixture
def lists(monkeypatch):
    with daily_lists() as lists:
        monkeypatch.setenv("DIGEST_SOURCES", "huggingface")
        monkeypatch.setenv("DIGEST_HUGGINGFACE_URL", lists.url)
        yield lists


@pytest.fixture
def folder(sqlite_template, tmp_path):
    """A folder with an empty database: making one takes most of the time of a first run."""
    folder = tmp_path / "once"
    folder.mkdir()
    shutil.copy(sqlite_template, folder / "digest.sqlite")
    (folder / "secret_key").write_text("s" * 64)
    return folder


@pytest.fixture
def once(command, clock, smtp_server, tmp_path, lists, folder):
    """Run `digest once` at an instant, with the mail server of the test unless `options` name a file."""

    def run(*options, at=MORNING, to=ADA):
        clock.move_to(at)
        way = [] if "--output" in options else ["--smtp", smtp_server.url]
        return command("once", "--to", to, *way, "--data-dir", str(folder), "--wait", "0", *map(str, options))

    return run


def papers_in(message):
    return set(PAPER.findall(ParsedMessage(message).text))


def test_a_first_run_sends_one_email_and_a_second_reports_that_it_was_sent(once, smtp_server, folder):
    shutil.rmtree(folder)  # the folder is created
    first = once()
    assert (first.returncode, first.stdout.splitlines()[0]) == (0, f"Sent 10 papers to {ADA}.")
    assert first.stderr == "Reading huggingface …\n"
    again = once(at=MORNING + timedelta(hours=3))
    assert again.returncode == 0
    assert "was already sent, so nothing was sent" in again.stdout
    assert len(smtp_server.taken_for(ADA)) == 1


def test_no_paper_comes_twice_on_later_days(once, smtp_server):
    for day in range(3):
        assert once(at=MORNING + timedelta(days=day)).returncode == 0
    seen = [papers_in(message.content) for message in smtp_server.taken]
    assert [len(papers) for papers in seen] == [10, 10, 10]
    assert len(set().union(*seen)) == 30


def test_no_paper_of_recorded_days_comes_twice(command, clock, smtp_server, shared_data, monkeypatch):
    monkeypatch.setenv("DIGEST_SOURCES", "huggingface")
    Path("profile.toml").write_text("full_lists = true")  # the second list was not recorded
    with replaying(shared_data) as replay:
        monkeypatch.setenv("DIGEST_HUGGINGFACE_URL", replay.url)
        for day in (15, 16):
            clock.move_to(datetime(2026, 1, day, 20, tzinfo=UTC))
            way = ["--smtp", smtp_server.url, "--data-dir", "folder", "--profile", "profile.toml"]
            done = command("once", "--to", ADA, *way)
            assert done.returncode == 0, done.stderr
    first, second = (papers_in(message.content) for message in smtp_server.taken)
    assert (len(first), bool(second), first & second) == (10, True, set())


def test_the_email_links_only_to_papers_since_there_are_no_pages(once, smtp_server):
    once()
    (message,) = smtp_server.taken
    parsed = ParsedMessage(message.content)
    assert "127.0.0.1:8000" not in parsed.text + parsed.html
    assert {re.sub(r"https://([^/]+)/.*", r"\1", url) for url in re.findall(r'href="([^"]+)"', parsed.html)} == {
        "arxiv.org"
    }
    assert parsed.field("List-Unsubscribe") == ""
    assert "ends when that command no longer runs" in " ".join(parsed.text.split())
    assert "Welcome" not in parsed.text


def test_there_is_no_email_until_a_source_answers(once, smtp_server, lists):
    lists.is_down = True
    done = once()
    assert (done.returncode, smtp_server.taken) == (1, [])
    assert "No source could be read" in done.stderr
    assert "503" in done.stderr
    lists.is_down = False
    assert once(at=MORNING + timedelta(hours=1)).returncode == 0
    # On a later day, waiting papers could fill an email, but then the new papers of the source would be skipped.
    lists.is_down = True
    assert once(at=MORNING + timedelta(days=1)).returncode == 1
    assert len(smtp_server.taken) == 1


def test_a_profile_chooses_the_papers(once, smtp_server, tmp_path):
    profile = tmp_path / "profile.toml"
    profile.write_text('keywords = ["robots"]\nbalance = "mine"\npapers = 4\nsurprise = false\nlanguage = "zh-CN"\n')
    assert once("--profile", profile).returncode == 0
    (message,) = smtp_server.taken
    titles = re.findall(r"A study of ([\w ]+), part", ParsedMessage(message.content).text)
    assert titles.count("robots that grasp") > len(titles) / 2
    assert "篇，共" in ParsedMessage(message.content).text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('topic = ["vision"]', "did you mean topics?"),
        ('topics = ["visions"]', "topics: use any of agents,"),
        ("papers = 99", "papers: Enter a number from 1 to 25."),
        ('balance = "fair"', "balance: Choose the day’s best"),
        ('balance = "only"', "balance: You don’t follow anything yet"),
        ("surprise = 1", "surprise: write true or false"),
        ("keywords = [1]", "keywords: write a list of texts"),
        ("keywords", "not TOML"),
    ],
)
def test_a_mistake_in_the_profile_is_one_line_and_sends_nothing(once, smtp_server, tmp_path, text, expected):
    (tmp_path / "profile.toml").write_text(text)
    done = once("--profile", tmp_path / "profile.toml")
    assert (done.returncode, done.stderr.count("\n"), smtp_server.commands) == (2, 1, [])
    assert expected in done.stderr


def test_a_profile_may_want_only_what_it_follows(once, smtp_server, tmp_path):
    profile = tmp_path / "profile.toml"
    profile.write_text('keywords = ["robots"]\nbalance = "only"\n')
    assert once("--profile", profile).returncode == 0
    (message,) = smtp_server.taken
    assert set(re.findall(r"A study of ([\w ]+), part", ParsedMessage(message.content).text)) == {"robots that grasp"}
    profile.write_text('keywords = ["volcanoes"]\nbalance = "only"\n')
    done = once("--profile", profile, at=MORNING + timedelta(days=1))
    assert (done.returncode, len(smtp_server.taken)) == (0, 1), done.stderr


def test_a_topic_may_be_given_by_its_name(once, tmp_path):
    (tmp_path / "profile.toml").write_text('topics = ["Computer vision", "robotics"]')
    assert once("--profile", tmp_path / "profile.toml").returncode == 0


@pytest.mark.parametrize(("name", "begins"), [("mail.html", "<!doctype"), ("mail.txt", "Daily"), ("mail.eml", "From:")])
def test_a_file_replaces_the_mail_server(once, tmp_path, name, begins):
    file = tmp_path / name
    done = once("--output", file)
    assert " ".join(done.stdout.split()).startswith(f"Wrote 10 papers for {ADA} to {file}.")
    first = file.read_bytes()
    assert first.decode().startswith(begins)
    file.unlink()
    again = once("--output", file)
    assert (again.returncode, file.read_bytes()) == (0, first)
    assert f"so nothing was sent. It is in {file} again." in " ".join(again.stdout.split())


def test_a_dry_run_shows_the_papers_and_leaves_the_folder_as_it_was(once, smtp_server, folder):
    shutil.rmtree(folder)
    shown = once("--dry-run")
    assert (shown.returncode, folder.exists(), smtp_server.taken) == (0, False, [])
    assert shown.stdout.splitlines()[0] == f"Would send 10 papers to {ADA}; nothing was sent or stored."
    once()
    tomorrow = once("--dry-run", "--json", at=MORNING + timedelta(days=1))
    document = json.loads(tomorrow.stdout)
    assert (document["dry_run"], document["sent_now"], len(document["papers"])) == (True, False, 10)
    assert papers_in(smtp_server.taken[0].content).isdisjoint(paper["id"] for paper in document["papers"])
    assert len(smtp_server.taken) == 1


def test_a_deferred_email_is_reported_and_sent_once_later(once, smtp_server):
    smtp_server.answer(Step.RCPT, "451 4.7.1 try again later")
    deferred = once()
    assert deferred.returncode == 1
    assert "was not sent: deferred once" in deferred.stdout
    assert "451" in deferred.stdout
    assert once(at=MORNING + timedelta(minutes=20)).returncode == 0
    assert once(at=MORNING + timedelta(minutes=40)).returncode == 0
    assert len(smtp_server.taken) == 1


def test_an_email_in_doubt_is_sent_again_as_the_same_bytes(once, smtp_server):
    smtp_server.answer(Step.END, KEEP_AND_HANG_UP)
    assert once().returncode == 1
    assert once(at=MORNING + timedelta(minutes=20)).returncode == 0
    first, second = (message.content for message in smtp_server.taken)
    assert first == second


def test_one_folder_has_one_address(once, smtp_server):
    once()
    other = once(to="bob@example.org")
    assert other.returncode == 3
    assert "belongs to another address" in other.stderr
    assert smtp_server.taken_for("bob@example.org") == []


def test_the_result_is_one_document_for_programs(once):
    document = json.loads(once("--json").stdout)
    assert {name: document[name] for name in ("date", "to", "state", "sent_now", "why", "dry_run")} == {
        "date": "2026-03-04", "to": ADA, "state": "accepted", "sent_now": True, "why": "", "dry_run": False,
    }  # fmt: skip
    assert len(document["papers"]) == 10
    assert json.loads(once("--json").stdout)["sent_now"] is False


@pytest.mark.parametrize(
    ("url", "mail_from", "expected"),
    [
        ("smtps://ada%40lab.example:secret@smtp.lab.example:465", "", "Daily Papers <ada@lab.example>"),
        ("smtps://AKIA:secret@smtp.lab.example:465", "", f"Daily Papers <{ADA}>"),
        ("smtps://AKIA:secret@smtp.lab.example:465", "Papers <papers@lab.example>", "Papers <papers@lab.example>"),
    ],
)
def test_the_sender_is_that_of_the_settings_or_the_account_at_the_mail_server(
    monkeypatch, tmp_path, url, mail_from, expected
):
    if mail_from:
        monkeypatch.setenv("DIGEST_MAIL_FROM", mail_from)
    assert personal_settings(Settings(), tmp_path, ADA, url, ()).mail_from == expected


def test_the_arxiv_source_also_reads_the_categories_of_the_profile(tmp_path):
    own = personal_settings(Settings(), tmp_path, ADA, "", ("astro-ph.CO", "cs.CL"))
    assert own.arxiv_categories == ("cs.AI", "cs.CL", "cs.CV", "cs.LG", "astro-ph.CO")


@pytest.mark.parametrize(
    ("options", "code", "expected"),
    [
        ([], 3, "No mail server: add --smtp"),
        (["--smtp", "smtp://mail.example.org"], 2, "--smtp"),
        (["--output", "mail.pdf"], 2, "ends in .html, .txt or .eml"),
        (["--output", "nowhere/mail.html"], 2, "there is no folder nowhere"),
        (["--smtp", "smtp://127.0.0.1:9", "--output", "mail.html"], 2, "not both"),
    ],
)
def test_a_mistake_is_one_line(command, options, code, expected):
    done = command("once", "--to", ADA, "--data-dir", "folder", *options)
    assert (done.returncode, done.stderr.count("\n"), Path("folder").exists()) == (code, 1, False)
    assert expected in done.stderr


class Arxiv(Replay):
    """Has each paper of the library, about what one list of the day is about."""

    def reply(self, target):
        numbers = parse_qs(urlsplit(target).query).get("id_list", [""])[0].split(",")
        entry = "<entry><id>http://arxiv.org/abs/{0}v1</id><title>On {0}</title><summary>{1}</summary></entry>"
        feed = "".join(entry.format(number, SUBJECT) for number in numbers)
        return Reply(f'<feed xmlns="http://www.w3.org/2005/Atom">{feed}</feed>'.encode())


SUBJECT = "spectral clustering of graph nodes by message passing over edges in community networks"


def test_a_library_file_decides_what_comes(once, lists, smtp_server, monkeypatch):
    lists.rare = SUBJECT
    Path("my.bib").write_text("".join(f"@misc{{k{n}, eprint={{1903.{n:05}}}, title={{On {n}}}}}\n" for n in range(5)))
    Path("profile.toml").write_text('library = "my.bib"\nbalance = "mine"')
    with replaying(kind=Arxiv) as arxiv:
        monkeypatch.setenv("DIGEST_ARXIV_URL", arxiv.url)
        first = once("--profile", "profile.toml")
    assert "Your library: 5 papers found, 0 not found." in first.stderr
    (message,) = smtp_server.taken_for(ADA)
    assert "which is in your library" in " ".join(ParsedMessage(message.content).text.split())
    Path("profile.toml").write_text('library = "my.bib"\nbalance = "only"')
    assert once("--profile", "profile.toml", "--dry-run", at=MORNING + timedelta(days=1)).returncode == 0
    broken = once("--library", "nowhere.bib", at=MORNING + timedelta(days=1))
    assert broken.returncode == 2
    assert "nowhere.bib: cannot be read (No such file or directory)" in broken.stderr


def test_a_folder_keeps_the_ranks_of_old_issues_and_no_more(once, folder):
    for day in (0, 201):
        assert once(at=MORNING + timedelta(days=day)).returncode == 0
    with contextlib.closing(sqlite3.connect(folder / "digest.sqlite")) as database:
        occasions = database.execute("SELECT occasion FROM deliveries").fetchall()
        ranks = "SELECT count(*), sum(paper <> '{}') FROM issue_papers GROUP BY issue_id ORDER BY issue_id"
        (old, old_whole), (new, new_whole) = database.execute(ranks).fetchall()
    assert occasions == [(str((MORNING + timedelta(days=201)).date()),)]
    assert (old >= 10, old_whole) == (True, 0)
    assert new == new_whole >= 10
