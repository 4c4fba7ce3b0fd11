"""Pages that show what happened over time: days, refusals, domains, subscribers; and what waits."""

from digest.web.console.access import ConsoleRouter
from digest.web.console.reports import bounces, days, destinations, growth, waiting

router = ConsoleRouter()
for page in (days, waiting, bounces, destinations, growth):
    router.include_router(page.router)
