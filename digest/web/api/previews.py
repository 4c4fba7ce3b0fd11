"""The message of an issue, composed outside the ledger."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from digest import clock
from digest.database.engine import read_only
from digest.issues.store import issue_on
from digest.lint import ParsedMessage, lint
from digest.mail.preview import preview_message
from digest.monitoring.api_tokens import TokenScope
from digest.web.api.access import ApiRouter, TheCaller
from digest.web.api.issues import no_issue
from digest.web.api.problems import ApiProblem
from digest.web.api.values import IssueDay, IssueKindName

router = ApiRouter(tags=["issues"])


class LintProblem(BaseModel):
    """A rule for email that the message breaks."""

    rule: str
    problems: list[str]
    remedy: str


class PreviewResource(BaseModel):
    """The message of an issue as a new subscriber would get it, outside the ledger."""

    subject: str
    html: str
    text: str
    size: int = Field(description="Bytes on the wire.")
    rules_followed: int
    rules: int
    lint: list[LintProblem]


@router.read(TokenScope.ISSUES_READ, "/issues/{date}/{kind}/preview")
def preview_issue(
    caller: TheCaller,
    day: IssueDay,
    kind: IssueKindName,
    language: Annotated[
        str, Query(max_length=20, pattern="^[A-Za-z0-9-]*$", description="BCP 47; empty for that of the site.")
    ] = "",
) -> PreviewResource:
    """Compose the message of an issue for a new subscriber, and check it against the rules for email."""
    engine = caller.site.engine
    if language and language not in caller.site.pages.languages.codes:
        raise ApiProblem(404, f"There is no language {language}.", reason="unknown language")
    with read_only(engine) as connection:
        issue = issue_on(connection, kind, day, whole=True)
    if issue is None:
        raise no_issue(day, kind)
    message = preview_message(engine, caller.site.mail(), issue, None, clock.now(), language)
    if message is None:
        raise ApiProblem(404, "This issue has no papers, so there is no message.", reason="empty issue")
    parsed, report = ParsedMessage(message), lint(message)
    broken = [
        LintProblem(rule=rule.id, problems=list(problems), remedy=rule.remedy)
        for rule, problems in report.problems.items()
    ]
    return PreviewResource(
        subject=parsed.subject,
        html=parsed.html,
        text=parsed.text,
        size=len(message),
        rules_followed=report.passed,
        rules=report.of,
        lint=broken,
    )
