"""Errors of the API as application/problem+json (RFC 9457)."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


_TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}  # RFC 9110; Python 3.13 knows them


class FieldProblem(BaseModel):
    """A mistake in a field or parameter."""

    field: str = Field(description="A JSON pointer into the body, or the name of a parameter.")
    detail: str


class ProblemDocument(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description='Always "about:blank": the status says what kind of error it is.')
    title: str
    status: int
    detail: str = ""
    reason: str = Field("", description="For programs, where one status has several reasons.")
    errors: list[FieldProblem] = Field([], description="With status 422: what is wrong with which field.")


class ApiProblem(Exception):
    """Ends an endpoint with this error."""

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        reason: str = "",
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.reason = reason
        self.errors = errors
        self.headers = headers or {}

    def response(self) -> Response:
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": _TITLES.get(self.status) or HTTPStatus(self.status).phrase,
            "status": self.status,
        }
        if self.detail:
            document["detail"] = self.detail
        if self.reason:
            document["reason"] = self.reason
        if self.errors:
            document["errors"] = [{"field": field, "detail": detail} for field, detail in self.errors]
        # In ASCII: what was sent may hold half of a surrogate pair, which UTF-8 cannot encode.
        return Response(json.dumps(document), self.status, dict(self.headers), MEDIA_TYPE)


def too_many(seconds: float) -> ApiProblem:
    wait = max(1, math.ceil(seconds))
    return ApiProblem(429, f"Too many requests. Try again in {wait} s.", headers={"Retry-After": str(wait)})


def invalid(problem: RequestValidationError) -> ApiProblem:
    """From what the framework found. The values themselves are left out: they may be addresses."""
    return invalid_fields([(_field(each["loc"]), str(each["msg"])) for each in problem.errors()])


def invalid_fields(errors: Sequence[tuple[str, str]]) -> ApiProblem:
    return ApiProblem(422, "The request is not valid.", errors=errors)


def _field(where: Iterable[object]) -> str:
    source, *path = map(str, where)
    if source == "body":
        return "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in path)
    return path[0] if path else source
