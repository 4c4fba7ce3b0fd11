"""Sources of settings: one grammar, one file for all folders, and reading commands that create nothing."""

import re
import shutil
import stat
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from honcho.environ import parse as as_honcho_reads
from hypothesis import given
from hypothesis import strategies as st

from digest.cli.main import main
from digest.settings import Settings, SettingsError, settings, unknown_variables
from digest.settings.environment import file_values, quoted, values_in
from tests.support.commands import Command
from tests.support.env_files import Rejected, as_compose_reads, as_systemd_reads, systemd_parser

KEYS = f"{'n' * 32} {'o' * 32}"


@pytest.fixture
def digest(command: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command in `folder`, as an operator types it there, with no settings but those that are given."""

    def run(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        with monkeypatch.context() as patch:
            patch.chdir(folder)
            patch.delenv("DIGEST_DATA_DIR", raising=False)
            return command(*arguments, **environment)

    return run


# --- the grammar of the file ---


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("DIGEST_TITLE='Daily Papers'", "Daily Papers"),
        ("DIGEST_TITLE='Papers #1 for ${USER}, $5'", "Papers #1 for ${USER}, $5"),
        ('DIGEST_TITLE="Ada\'s Papers #1"', "Ada's Papers #1"),
        ("  DIGEST_TITLE = Papers  ", "Papers"),
        ("DIGEST_TITLE='每日论文'", "每日论文"),
    ],
)
def test_a_value_means_the_same_to_us_and_to_honcho(tmp_path: Path, line: str, value: str) -> None:
    (tmp_path / ".env").write_text(f"# a comment with an apostrophe isn't read\n\n{line}\nOTHER=a b # c\n")
    assert settings().title == value
    assert as_honcho_reads(line)["DIGEST_TITLE"] == value


SYSTEMD = systemd_parser()  # None where systemd is not installed
_ODD_PARTS = ["DIGEST_TITLE", "=", "'", '"', "\\", "#", "$", "`", ";", ":", "a", "\n", "\r", "\u00a0", "${USER}", " "]
ODD = st.lists(st.sampled_from(_ODD_PARTS), max_size=8).map("".join)


def others_read(text: str, folder: Path) -> list[dict[str, str]]:
    """Return Digest's variables as read by each program that accepts the file."""
    file = folder / "odd.env"
    file.write_bytes(text.encode())
    read: list[dict[str, str]] = []
    with suppress(Rejected):
        read.append(as_compose_reads(text))
    if SYSTEMD is not None:
        read.append(as_systemd_reads(SYSTEMD, file))
    return [{name: value for name, value in values.items() if name.startswith("DIGEST_")} for values in read]


@given(st.text(st.characters(exclude_categories=("C", "Z")) | st.just(" "), min_size=1))
def test_other_programs_read_an_accepted_file_alike(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    folder = tmp_path_factory.getbasetemp()
    for line in (f"DIGEST_TITLE={value}", f"DIGEST_TITLE='{value}'", f'DIGEST_TITLE="{value}"'):
        try:
            ours = values_in(line, ".env")
        except SettingsError:
            continue
        assert ours["DIGEST_TITLE"] == as_honcho_reads(line).get("DIGEST_TITLE", "")
        assert all(theirs == ours for theirs in others_read(line, folder))


@given(st.lists(st.sampled_from(["OTHER", "# c", "A.B", "C "]), min_size=3, max_size=3), st.tuples(ODD, ODD, ODD))
def test_no_line_changes_what_the_next_one_means_to_others(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], values: tuple[str, ...]
) -> None:
    lines = [f"{name}={value}" for name, value in zip(names, values, strict=True)]
    text = "\n".join([*lines, "DIGEST_TITLE=x"])
    try:
        ours = values_in(text, ".env")
    except SettingsError:
        return
    assert all(theirs == ours for theirs in others_read(text, tmp_path_factory.getbasetemp()))


ODD_FILES = {
    "a line that goes on": ("OTHER=a\\\nDIGEST_TITLE=x", "line 1: remove the backslash at its end"),
    "a comment that goes on": ("# C:\\\nDIGEST_TITLE=x", "line 1: remove the backslash at its end"),
    "a quotation mark left open": ("OTHER='a\nDIGEST_TITLE=x\nC='", "line 1: close the quotation mark"),
    "a mark that only some see closed": ("OTHER='C:\\'\nDIGEST_TITLE=x\nC='", "line 1: close the quotation mark"),
    "a second text left open": ("OTHER='a' \"b\nDIGEST_TITLE=x\nC=\"", "line 1: close the quotation mark"),
    "a mark left open behind a colon": ('OTHER: "a\nDIGEST_TITLE=x\nC="', "line 1: close the quotation mark"),
    "ends of lines of old Macs": ("OTHER=a\rDIGEST_TITLE=x", "line 1: end each line with a line feed"),
    "one name in two spellings": ("DIGEST_TITLE=x\ndigest_title=y", "line 2: DIGEST_TITLE is set twice"),
}


@pytest.mark.parametrize(("text", "problem"), ODD_FILES.values(), ids=ODD_FILES)
def test_a_line_that_changes_the_next_one_somewhere_is_refused_with_its_number(text: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(f".env, {problem}")):
        values_in(text, ".env")


def test_lines_that_mean_the_same_everywhere_are_accepted(tmp_path: Path) -> None:
    text = "# isn't read\nOTHER=it's\nSAY=\"a \\\"b\\\" c\"\nexport PATH_TO='x y'\nDIGEST_TITLE='Daily Papers'\nC=\n"
    assert values_in(text, ".env") == {"DIGEST_TITLE": "Daily Papers"}
    assert others_read(text, tmp_path) == [{"DIGEST_TITLE": "Daily Papers"}] * (2 if SYSTEMD else 1)


@pytest.mark.skipif(SYSTEMD is None, reason="systemd is not installed")
def test_systemd_itself_accepts_the_file_written_by_init(digest: Command, tmp_path: Path) -> None:
    assert SYSTEMD is not None
    assert digest("init", folder=tmp_path).returncode == 0
    ours = file_values()
    assert as_systemd_reads(SYSTEMD, tmp_path / ".env") == ours == as_compose_reads((tmp_path / ".env").read_text())


@pytest.mark.parametrize(
    "line",
    [
        "DIGEST_TITLE=Daily Papers",
        f"DIGEST_SECRET_KEY={KEYS}",
        "DIGEST_TITLE=Papers#1",
        "DIGEST_TITLE=Papers # for the lab",
        "DIGEST_TITLE='Papers' # for the lab",
        "DIGEST_TITLE=Ada's",
        "DIGEST_TITLE='Ada's Papers'",
        'DIGEST_TITLE="unfinished',
        "DIGEST_TITLE=${USER}",
        'DIGEST_TITLE="of ${USER}"',
        r"DIGEST_TITLE='a\nb'",
        "DIGEST_TITLE='a\tb'",
        "DIGEST_TITLE=a\x0cb",
        "export DIGEST_TITLE=Papers",
        "DIGEST_TITLE: Papers",
        "DIGEST_TITLE",
        '"DIGEST_TITLE"=Papers',
        "set DIGEST_TITLE=Papers",
        "DIGEST_TITLE\uff1dPapers",
        "DIGEST_TITLE=\u00a0Papers",
        "DIGEST_TITLE=`hostname`",
    ],
)
def test_a_line_with_more_than_one_meaning_is_refused_with_its_number(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(f"# comment\n{line}\n")
    with pytest.raises(
        SettingsError, match=r"^\.env, line 2: write DIGEST_\w+='value'; .* DIGEST_\w+_FILE=/path$"
    ) as error:
        settings()
    assert "n" * 32 not in str(error.value)


def test_a_file_that_is_not_plain_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"DIGEST_TITLE=Papers\r\nOTHER=x\r\n")
    assert settings().title == "Papers"
    (tmp_path / ".env").write_bytes("\ufeffDIGEST_TITLE=Papers\n".encode())
    with pytest.raises(SettingsError, match=r"^\.env: save it as UTF-8 without a byte order mark"):
        file_values()
    (tmp_path / ".env").write_bytes("DIGEST_TITLE=Prépublications".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"cannot read \.env \(it is not UTF-8\)"):
        file_values()


def test_a_file_of_settings_cannot_lead_to_another(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DIGEST_ENV_FILE=other.env\nMY_DIGEST_TITLE=a b\n")
    with pytest.raises(SettingsError, match=r"^\.env: remove DIGEST_ENV_FILE; it only works in the environment$"):
        settings()


def test_the_home_of_a_user_who_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_DATA_DIR", "~no-such-user/papers")
    with pytest.raises(SettingsError, match="~no-such-user/papers: this machine has no user of that name"):
        settings()


def test_the_file_that_init_writes_is_quoted_wherever_it_has_to_be(digest: Command, tmp_path: Path) -> None:
    assert digest("init", folder=tmp_path).returncode == 0
    written = (tmp_path / ".env").read_text()
    assert "# DIGEST_MAIL_FROM='Daily Papers <digest@localhost>'\n" in written
    (tmp_path / ".env").write_text(written.replace("\n# DIGEST_", "\nDIGEST_"))
    assert settings().mail_from == "Daily Papers <digest@localhost>"
    assert (quoted("Ada's"), quoted("plain")) == ('"Ada\'s"', "plain")


def test_quotes_that_docker_passes_on_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_TITLE", "'Daily Papers'")
    with pytest.raises(SettingsError, match=r"DIGEST_TITLE: the quotes arrived .* remove them"):
        settings()


# --- secrets in files of their own ---


def test_the_file_of_settings_may_name_the_files_of_secrets(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEYS}\n")
    (tmp_path / ".env").write_text(f"DIGEST_SECRET_KEY_FILE={tmp_path / 'key'}\n")
    assert settings().secret_keys == (b"n" * 32, b"o" * 32)
    assert unknown_variables() == []


def test_a_missing_file_of_a_secret_is_named_and_no_new_secret_made(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DIGEST_SECRET_KEY_FILE=absent\n")
    with pytest.raises(SettingsError, match="DIGEST_SECRET_KEY_FILE: cannot read absent"):
        settings()


def test_a_value_and_a_file_for_it_contradict_each_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "title").write_text("Papers")
    (tmp_path / ".env").write_text("DIGEST_TITLE=Other\nDIGEST_TITLE_FILE=title\n")
    with pytest.raises(SettingsError, match="DIGEST_TITLE and DIGEST_TITLE_FILE are both set; remove one"):
        settings()
    (tmp_path / ".env").write_text("DIGEST_TITLE=Other\n")
    monkeypatch.setenv("DIGEST_TITLE_FILE", "title")
    assert settings().title == "Papers"  # the environment wins


# --- one file of settings for every folder ---


@pytest.fixture
def installation(digest: Command, tmp_path: Path) -> Path:
    """The settings file of an installation with a database, in a folder of its own."""
    file = tmp_path / "installed" / "digest.env"
    file.parent.mkdir()
    file.write_text("DIGEST_TITLE='Papers of the lab'\n")
    done = digest("--env-file", str(file), "migrate", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    return file


def test_a_named_file_of_settings_means_one_database_in_every_folder(
    digest: Command, tmp_path: Path, installation: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert (installation.parent / ".digest" / "digest.sqlite").exists()
    for done in (
        digest("--env-file", str(installation), "subscribers", "list", folder=elsewhere),
        digest("subscribers", "list", folder=elsewhere, DIGEST_ENV_FILE=str(installation)),
        digest("--env-file", "../installed/digest.env", "subscribers", "list", folder=elsewhere),
    ):
        assert done.returncode == 0, done.stderr
    assert list(elsewhere.iterdir()) == []


def test_relative_paths_of_every_kind_start_at_the_file_of_settings(
    monkeypatch: pytest.MonkeyPatch, installation: Path
) -> None:
    installation.write_text(
        "DIGEST_DATABASE_URL=sqlite:///data/papers.sqlite\nDIGEST_DKIM_KEYS=nov=keys/nov.pem\nDIGEST_SOURCES=feeds\n"
        "DIGEST_FEEDS='lab.xml https://example.org/feed'\nDIGEST_SECRET_KEY_FILE=key\n"
    )
    home = installation.parent
    (home / "key").write_text(KEYS)
    monkeypatch.setenv("DIGEST_ENV_FILE", str(installation))
    monkeypatch.delenv("DIGEST_DATA_DIR")
    assert settings().database == f"sqlite:///{home}/data/papers.sqlite"
    assert settings().data_dir == home / ".digest"
    assert settings().dkim_keys == {"nov": home / "keys/nov.pem"}
    assert settings().feeds == (f"{home}/lab.xml", "https://example.org/feed")
    assert settings().secret_keys[0] == b"n" * 32


def test_a_file_of_settings_that_is_missing_is_refused(digest: Command, tmp_path: Path) -> None:
    done = digest("--env-file", "absent.env", "audit", folder=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "absent.env (No such file or directory); name the settings file by --env-file" in done.stderr


def test_the_file_of_the_machine_is_used_where_the_folder_has_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, installation: Path
) -> None:
    monkeypatch.setattr("digest.settings.environment.DEFAULT_FILES", (Path(".env"), installation))
    assert Settings().title == "Papers of the lab"
    (tmp_path / ".env").write_text("DIGEST_TITLE=Nearer\n")
    assert Settings().title == "Nearer"


@pytest.mark.parametrize(
    "command",
    [
        "audit", "doctor", "subscribers list", "subscribers show ada@example.org", "subscribers export",
        "search graphs", "explain --subscriber ada@example.org", "preview", "suppressions list", "pause", "retry",
        "send-test a@b.org", "publish", "collect", "suppressions add ada@example.org", "web", "worker", "scheduler",
        "subscribers add ada@example.org", "subscribers erase ada@example.org", "lint absent.eml", "backtest",
    ],
)  # fmt: skip
def test_a_command_in_an_empty_folder_makes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DIGEST_DATA_DIR")
    monkeypatch.setattr("sys.argv", ["digest", *command.split()])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code in (1, 2, 3)
    if command != "doctor":
        assert capsys.readouterr().err.count("\n") == 1
    assert list(folder.iterdir()) == []


def test_a_command_in_a_folder_without_database_says_what_to_do(digest: Command, tmp_path: Path) -> None:
    done = digest("audit", folder=tmp_path)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "name the settings file by --env-file, or run: digest migrate" in done.stderr


@pytest.mark.parametrize("content", [b"", b"short\n", bytes(range(128, 150))])
def test_a_damaged_secret_is_named_and_not_replaced(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "data" / "secret_key"
    file.write_bytes(content)
    settings().create_secret()
    with pytest.raises(SettingsError, match=r"secret_key is damaged: restore it from a backup"):
        _ = settings().secret_keys
    assert file.read_bytes() == content


def test_without_a_secret_nobody_is_looked_for_under_a_new_one(
    digest: Command, tmp_path: Path, sqlite_url: str
) -> None:
    done = digest("subscribers", "show", "ada@example.org", folder=tmp_path, DIGEST_DATABASE_URL=sqlite_url)
    assert done.returncode == 2
    assert "DIGEST_SECRET_KEY is not set, and there is no .digest/secret_key. Run: digest migrate" in done.stderr


# --- what others on the machine may read ---


def test_nobody_else_can_read_the_database_and_its_folder(installation: Path) -> None:
    made = installation.parent / ".digest"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (made, *made.iterdir())}
    assert modes.pop(".digest") == 0o700
    assert set(modes.values()) == {0o600}, modes


def test_cleaning_the_sources_keeps_the_data_of_an_installation(tmp_path: Path) -> None:
    shutil.copy(Path(__file__).parents[2] / "Makefile", tmp_path)
    for name in (".venv", ".digest/demo", "dist"):
        (tmp_path / name).mkdir(parents=True)
    kept = {tmp_path / ".digest" / name for name in ("digest.sqlite", "secret_key")}
    for file in kept:
        file.touch()
    subprocess.run(["make", "--silent", "clean"], cwd=tmp_path, check=True)
    assert set((tmp_path / ".digest").iterdir()) == kept
    assert not (tmp_path / "dist").exists()
