"""Pages that show what happened over time: days, refusals, domains, subscribers."""

from digest.web.console.access import ConsoleRouter
from digest.web.console.reports import bounces, days, destinations, growth

router = ConsoleRouter()
for page in (days, bounces, destinations, growth):
    router.include_router(page.router)
