"""The first page: what is sent today, and what runs."""

from fastapi import Response

from digest.web.console.access import AnyRole, ConsoleRouter

router = ConsoleRouter()


@router.page("")
def today(visitor: AnyRole) -> Response:
    return visitor.show("today")
