"""The tokens of programs: their form, their names, and their end with their operator's access."""

import re
from datetime import timedelta

import pytest

from digest.database.engine import read_only, transaction
from digest.ledger import events
from digest.monitoring import api_tokens, operators
from digest.monitoring.api_tokens import InvalidToken, NewToken, TokenScope, is_well_formed, new_token, wanted_token
from digest.monitoring.operators import OperatorRole
from tests.support.scenario import MORNING, ON_SQLITE

SCOPES = frozenset({TokenScope.PAPERS_READ})


def make(engine, name="crm", by="ada"):
    with transaction(engine) as connection:
        return api_tokens.create(connection, NewToken(name, SCOPES), by, MORNING)


def test_a_token_is_told_from_any_other_text_by_its_checksum():
    token = new_token()
    assert re.fullmatch(r"digest_[0-9A-Za-z]{38}", token)
    assert is_well_formed(token)
    for number in range(len(token)):
        other = "a" if token[number] != "a" else "b"
        assert not is_well_formed(token[:number] + other + token[number + 1 :]), number
    assert not is_well_formed(f"{token}\n")


@ON_SQLITE
def test_only_the_hash_of_a_token_is_stored_and_its_name_is_never_used_again(engine):
    token = make(engine)
    with read_only(engine) as connection:
        (stored,) = api_tokens.all_tokens(connection)
        row = str(connection.exec_driver_sql("SELECT * FROM api_tokens").one())
        (event,) = events.latest(connection, 1)
    assert (stored.name, stored.begins, stored.scopes) == ("crm", token[:11], SCOPES)
    assert stored.expires_at == MORNING + timedelta(days=90)
    assert token not in row
    assert token[12:20] not in row
    assert token not in str(event)
    with transaction(engine) as connection:
        assert api_tokens.revoke(connection, "crm", MORNING)
        assert not api_tokens.revoke(connection, "crm", MORNING)
    assert make(engine) is None


@ON_SQLITE
def test_the_tokens_of_an_operator_end_with_their_access(engine):
    for name in ("ada", "eve"):
        with transaction(engine) as connection:
            operators.make_link(connection, name, OperatorRole.OPERATOR, MORNING)
        make(engine, f"of {name}", name)
    make(engine, "of nobody", "root")

    def states():
        with read_only(engine) as connection:
            return {each.name: each.state(MORNING) for each in api_tokens.all_tokens(connection)}

    with transaction(engine) as connection:
        operators.make_link(connection, "ada", OperatorRole.OPERATOR, MORNING)  # another link changes nothing
    assert set(states().values()) == {"valid"}
    with transaction(engine) as connection:
        operators.make_link(connection, "ada", OperatorRole.VIEWER, MORNING)
        operators.remove(connection, "eve", MORNING)
    assert states() == {"of ada": "revoked", "of eve": "revoked", "of nobody": "valid"}


@pytest.mark.parametrize(
    ("name", "scopes", "days", "problem"),
    [
        (" ", ["papers:read"], 90, "name:"),
        ("x" * 61, ["papers:read"], 90, "name:"),
        ("a\nb", ["papers:read"], 90, "name:"),
        ("crm", [], 90, "at least one scope"),
        ("crm", ["papers:write"], 90, "unknown scope 'papers:write'"),
        ("crm", ["papers:read"], 0, "days:"),
        ("crm", ["papers:read"], 3661, "days:"),
    ],
)
def test_a_token_without_name_scope_or_end_is_not_made(name, scopes, days, problem):
    with pytest.raises(InvalidToken, match=problem):
        wanted_token(name, scopes, days)
