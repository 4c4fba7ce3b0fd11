"""A selection as the ledger stores it."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from digest.issues.selection.selection import TRENDING, Pick, Selection


def selection_as_json(selection: Selection) -> str:
    """As the ledger keeps it: for each pick [paper, why, trending, name of another term, its value, …], all values in
    ten-thousandths. A list keeps its order in every database.
    """
    about = {"left_out": selection.left_out, "language": selection.language}
    about |= {"first": True} if selection.first else {}
    picks = ", ".join([_pick_as_json(pick) for pick in selection.picks])
    return f'{{"picks": [{picks}], {json.dumps(about)[1:]}'


@lru_cache(maxsize=20_000)  # most picks are those of many readers
def _pick_as_json(pick: Pick) -> str:
    return json.dumps([pick.paper_id, pick.why, *[part for point in pick.points for part in point][1:]])


def selection_of(stored: Mapping[str, Any]) -> Selection:
    """The selection that selection_as_json() gave, of this version or an earlier one."""
    picks = tuple(_pick(*pick) for pick in stored["picks"])
    return Selection(picks, stored["left_out"], stored.get("language", ""), stored.get("first", False))


def _pick(paper_id: str, why: str, *points: Any) -> Pick:
    """A list of an earlier version has no points."""
    named = (TRENDING, *points) if points else ()
    return Pick(paper_id, why, tuple(zip(named[::2], named[1::2], strict=True)))
