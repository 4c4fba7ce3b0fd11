"""Pages for operators: what runs, what is sent and what went wrong; and what to do about it."""

from digest.web.console import (
    actions,
    installation,
    operators_log,
    past_issues,
    people,
    programs,
    sign_in,
    suppressed,
    today,
)
from digest.web.console.access import ConsoleRouter

router = ConsoleRouter()
for page in (today, past_issues, people, actions, suppressed, installation, programs, operators_log, sign_in):
    router.include_router(page.router)
