"""Pages for operators: what runs, what is sent and what went wrong; and what to do about it."""

from digest.web.console import sign_in, today
from digest.web.console.access import ConsoleRouter

router = ConsoleRouter()
for page in (sign_in, today):
    router.include_router(page.router)
