"""The choice of the database that a test runs on."""

import pytest

from tests.support import collected

pytest_plugins = ["pytester"]

TESTS = """
import pytest

pytestmark = pytest.mark.parametrize("database_url", ["sqlite", "postgresql"])


@pytest.mark.parametrize("number", range(20))
def test_a_page(number, database_url):
    pass


@pytest.mark.both_databases
def test_a_search(database_url):
    pass
"""


def test_of_each_page_one_run_is_left_out_on_either_database_and_of_a_marked_test_none(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeini("[pytest]\nmarkers = both_databases")
    items = pytester.getitems(TESTS)
    assert collected.second_runs(items) == set(), "they are about neither pages nor commands"
    monkeypatch.setattr(collected, "PAGES_AND_COMMANDS", (pytester.path,))
    parameters = [item.callspec.params for item in collected.second_runs(items) if isinstance(item, pytest.Function)]
    assert sorted(each["number"] for each in parameters) == list(range(20))
    assert {each["database_url"] for each in parameters} == {"sqlite", "postgresql"}
