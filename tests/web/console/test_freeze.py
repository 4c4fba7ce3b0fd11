"""The console shows a freeze of automatic suppression on every page, and an operator ends it."""

import pytest

from digest.clock import now
from digest.database.engine import read_only, transaction
from digest.mail.suppression_guard import frozen, note
from digest.monitoring.operators import OperatorRole
from tests.support.scenario import ON_SQLITE
from tests.web.console.conftest import do, form_token

BANNER = "Automatic suppression has been frozen since"


@ON_SQLITE
@pytest.mark.parametrize("choice", ["apply", "discard"])
def test_an_operator_ends_a_freeze(visit, ada, choice):
    assert BANNER not in ada.get("/console").text
    with transaction(visit.engine) as connection:
        note(connection, ["example.com"] * 20, now())
    page = ada.get("/console/growth").text
    assert BANNER in page
    assert "example.com reported 20 addresses in a row as wrong" in page
    answer = do(ada, "/console/bounces/unfreeze", held=choice)
    assert "Addresses are suppressed automatically again." in answer
    assert BANNER not in answer
    with read_only(visit.engine) as connection:
        assert frozen(connection) is None


@ON_SQLITE
def test_a_viewer_sees_the_freeze_and_cannot_end_it(visit, signed_in):
    with transaction(visit.engine) as connection:
        note(connection, ["example.com"] * 20, now())
    viewer = signed_in("grace", OperatorRole.VIEWER)
    page = viewer.get("/console/bounces").text
    assert BANNER in page
    assert "unfreeze" not in page
    token = form_token(page)
    assert viewer.post("/console/bounces/unfreeze", data={"form_token": token, "held": "apply"}).status_code == 403
