"""Pages for operators: what runs, what is sent and what went wrong; and what to do about it."""

from digest.web.console import (
    actions,
    installation,
    next_issue,
    operators_log,
    past_issues,
    people,
    programs,
    reports,
    sign_in,
    suppressed,
    today,
    webhooks,
)
from digest.web.console.access import ConsoleRouter
from digest.web.console.mail import notices, templates

router = ConsoleRouter()
for page in (
    today,
    next_issue,
    past_issues,
    notices,
    templates,
    reports,
    people,
    actions,
    suppressed,
    installation,
    programs,
    operators_log,
    sign_in,
    webhooks,
):
    router.include_router(page.router)
