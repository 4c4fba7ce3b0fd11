"""Common to all commands: one document for programs, a dry run, help, a width, and one line for a mistake."""

import json
import re
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from digest.cli.main import app
from digest.cli.output import WIDTH, answer_each, shortened, table, wrapped
from digest.database.engine import connect
from digest.papers.ranking import FLOOR
from tests.support.scenario import MORNING, add_papers, cut

# Commands that only read. Every other one has --dry-run.
READING = {
    "api-tokens list", "audit", "backtest", "bounce", "bounces domain-reports", "check", "console operators", "days",
    "doctor", "domains", "explain", "lint", "notice list", "notice preview",
    "preview", "search", "status", "subscribers count", "subscribers export", "subscribers list", "subscribers show",
    "suppressions list", "upcoming", "webhooks attempts", "webhooks list",
}  # fmt: skip
_PROGRAMS = re.compile(r"None\b|[A-Z]\w+\.[A-Z_]{2,}|<\w+ object|\('|\[\]|\{'|Option\(")


def _leaves(command, *names):
    if not hasattr(command, "commands"):
        return [(names, command)]
    return [leaf for name, one in command.commands.items() for leaf in _leaves(one, *names, name)]


COMMANDS = _leaves(typer.main.get_command(app))
EACH = pytest.mark.parametrize(("names", "leaf"), COMMANDS, ids=[" ".join(names) for names, _ in COMMANDS])


def help_of(*names):
    shown = CliRunner().invoke(app, [*names, "--help"], env={"TERMINAL_WIDTH": str(WIDTH)})
    assert shown.exit_code == 0
    return shown.stdout


def options_of(command):
    return {option for parameter in command.params for option in parameter.opts}


@EACH
def test_a_reading_command_has_json_and_any_other_a_dry_run(names, leaf):
    needed = "--json" if " ".join(names) in READING else "--dry-run"
    assert needed in options_of(leaf)


@EACH
def test_both_names_of_help_show_the_same_lines_for_people(names, leaf):
    text = help_of(*names)
    assert CliRunner().invoke(app, [*names, "-h"], env={"TERMINAL_WIDTH": str(WIDTH)}).stdout == text
    assert max(map(len, text.splitlines())) <= WIDTH
    assert not _PROGRAMS.search(text), text


@pytest.mark.parametrize("names", [(), ("bounces",), ("papers",), ("subscribers",), ("suppressions",)])
def test_groups_answer_both_names_of_help_too(names):
    assert CliRunner().invoke(app, [*names, "-h"]).stdout == CliRunner().invoke(app, [*names, "--help"]).stdout


def test_the_version_is_told_whatever_the_settings_are(command):
    done = command("--version", DIGEST_CUT_AT="noon")
    assert (done.returncode, bool(re.fullmatch(r"digest \d+\.\d+\.\d+\n", done.stdout))) == (0, True)


@EACH
def test_an_unknown_option_is_one_line_that_says_where_help_is(names, leaf, command):
    done = command(*names, "--no-such-option")
    # Monitoring reads the first line of check, and takes 2 for critical.
    code, line = (3, done.stdout) if names == ("check",) else (2, done.stderr)
    assert (done.returncode, line.count("\n")) == (code, 1), line
    # search takes words that begin with a hyphen, and names the option itself
    assert "o such option" in line


DATED = [
    (names, sorted(options))
    for names, one in COMMANDS
    if (options := options_of(one) & {"--date", "--from", "--since"})
]


@pytest.mark.parametrize(("names", "options"), DATED, ids=[" ".join(names) for names, _ in DATED])
def test_a_date_is_an_iso_day_or_a_day_with_a_name(names, options, command):
    for option in options:
        done = command(*names, option, "2026-02-30")
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "is not a date; write 2026-11-23, today, yesterday or tomorrow" in done.stderr
        assert f"{option}" in help_of(*names)


def test_days_with_a_name_count_in_utc(command, clock, sqlite_url):
    clock.move_to(MORNING)
    environment = {"DIGEST_DATABASE_URL": sqlite_url}
    for name, day in (("yesterday", "2026-03-03"), ("TODAY", "2026-03-04"), ("tomorrow", "2026-03-05")):
        assert json.loads(command("audit", "--date", name, "--json", **environment).stdout)["issue"] == day


def test_help_waits_for_no_large_library():
    heavy = {"sqlalchemy", "celery", "numpy", "cryptography", "pydantic", "asyncio", "fastapi", "alembic", "jinja2"}
    program = f"""
import sys
from digest.cli.main import main
sys.argv = ["digest", "--help"]
try:
    main()
finally:
    sys.stderr.write(" ".join(sorted({heavy!r} & sys.modules.keys())))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, "--install-completion" in done.stdout, done.stderr) == (0, True, "")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("digest withd", ["withdraw"]),
        ("digest subscribers c", ["count"]),
        ("digest audit --state ref", ["refused"]),
        ("digest audit --date yes", ["yesterday"]),
        ("digest audit --date 2026", ["2026-03-04"]),
    ],
)
def test_the_shell_completes_commands_states_and_dates(command, typed, expected, sqlite_url):
    engine = connect(sqlite_url)
    add_papers(engine, range(3))
    cut(engine)
    engine.dispose()
    asked = {"_DIGEST_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    assert command(DIGEST_DATABASE_URL=sqlite_url, **asked).stdout.split() == expected


def test_the_script_for_a_shell_is_shown():
    shown = CliRunner().invoke(app, ["--show-completion", "bash"])
    assert "complete -o default -F _digest_completion digest" in shown.stdout


# --- width ---


def test_a_wide_table_loses_the_middle_of_its_widest_cells_alone():
    address = "a" * 90 + "@example.com"
    lines = table([("address", "state", "why"), (address, "refused", "short"), ("b@example.com", "queued", "w" * 90)])
    assert all(len(line) <= WIDTH for line in lines)
    assert re.search(r"^aaa+….*@example\.com  refused  short$", lines[1])
    assert "b@example.com" in lines[2]


def test_wide_characters_count_twice_in_tables_and_sentences():
    title = "图神经网络" * 30
    assert len(table([("title", "votes"), (title, 3)])[1]) < WIDTH
    assert all(len(part) <= WIDTH // 2 + 4 for part in wrapped("论文 " + title))
    assert shortened("图图图图图图", 7) == "图图…图"


def test_a_long_sentence_goes_on_in_the_next_line_further_in():
    first, second = wrapped("  " + "word " * 30)
    assert (len(first) <= WIDTH, second.startswith("      word")) == (True, True)


def test_nothing_is_printed_for_a_cell_without_a_value():
    assert table([("a", "b"), (None, 1)])[1].split() == ["1"]


def test_the_help_of_backtest_names_the_floor_of_the_product():
    assert f"(product: {FLOOR:g})" in " ".join(help_of("backtest").split())


def test_each_line_of_a_list_is_printed_before_the_next_is_read(capsys):
    printed = []

    def items():
        for number in range(3):
            printed.append(capsys.readouterr().out)
            yield number

    answer_each(items(), lambda number: {"number": number}, lambda numbers: (f"line {number}" for number in numbers))
    assert (printed, capsys.readouterr().out) == (["", "line 0\n", "line 1\n"], "line 2\n")
