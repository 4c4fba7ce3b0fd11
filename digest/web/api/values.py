"""Values in requests, each as strict as OpenAPI describes it."""

import re
from datetime import date
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from digest.ledger.kinds import IssueKind

_ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)  # fromisoformat() also takes 20261123
_NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"


def _day(value: object) -> date:
    """A day is a text: a number would be read as seconds."""
    if not isinstance(value, str) or not _ISO_DAY.fullmatch(value):
        raise ValueError("write a date like 2026-11-23")
    return date.fromisoformat(value)


Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
IssueDay = Annotated[Day, Path(alias="date", examples=["2026-11-23"])]
IssueKindName = Annotated[IssueKind, Path(alias="kind", examples=["daily"])]
Number = Annotated[int, Field(ge=1, le=2**62)]
RecipientKey = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
AddressText = Annotated[
    str, Field(min_length=3, max_length=254, pattern=_NO_CONTROLS, json_schema_extra={"format": "email"})
]
Words = Annotated[str, Field(max_length=200, pattern=_NO_CONTROLS)]


class RequestBody(BaseModel):
    """The body of a request. A field that does not exist is an error: it may be a slip of the pen."""

    model_config = ConfigDict(extra="forbid")


class ReasonGiven(RequestBody):
    """Why someone does something."""

    reason: Words = Field("", description="Why; lists, audits and the operators' log show it.")
