"""Pages for operators: what runs, what is sent and what went wrong; and what to do about it."""

from digest.web.console import actions, installation, operators_log, past_issues, people, sign_in, suppressed, today
from digest.web.console.access import ConsoleRouter
from digest.web.console.mail import notices, templates

router = ConsoleRouter()
for page in (today, past_issues, notices, templates, people, actions, suppressed, installation, operators_log, sign_in):
    router.include_router(page.router)
