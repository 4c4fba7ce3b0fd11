"""Long lists come in pages: `?page=2`."""

from fastapi import HTTPException, Request

from digest.language import _


def page_number(request: Request) -> int:
    """The page that is asked for, from 1. Raises HTTPException 404 for what is no number of a page."""
    text = request.query_params.get("page", "1")
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 5 and int(text) > 0):
        raise HTTPException(404, _("There’s no such page here."))
    return int(text)


def pages_of(total: int, per_page: int, page: int) -> int:
    """How many pages there are, at least one. Raises HTTPException 404 when `page` is beyond them."""
    pages = max(1, -(-total // per_page))
    if page > pages:
        raise HTTPException(404, _("This list doesn’t have that many pages."))
    return pages
