"""The page of a subscriber's library, where they add papers, see the progress, and take papers back.

Any link to the preferences can add to it and shows the numbers. Seeing or removing its entries needs a fresh link: a
forwarded email must not tell others what its recipient reads.
"""

from typing import Annotated

from fastapi import Depends, HTTPException, Request, Response

from digest import clock
from digest.issues.profiles import feedback_summary
from digest.language import Message, UserError, _, n_
from digest.subscribers.library import library
from digest.subscribers.library.entry import EntryProblem
from digest.subscribers.library.reading import MAX_BYTES, MAX_ENTRIES
from digest.subscribers.preferences import Form, value
from digest.web.personal.feedback import topics_with_counts
from digest.web.personal.links import ManageLink, PersonalLink
from digest.web.site import PageNumber, PageRouter, posted_fields

PROBLEMS = {
    EntryProblem.UNREADABLE: _("This isn’t an arXiv number, an address or a title."),
    EntryProblem.NO_TITLE: _("We can’t find a paper at this address. Add its title instead."),
    EntryProblem.UNKNOWN: _("arXiv has no paper with this number."),
    EntryProblem.NOT_FOUND: _("arXiv has no paper with this title, and your file has no abstract."),
    EntryProblem.SILENT: _("We got no answer for three days. Remove it and add it again to retry."),
}

router = PageRouter()


async def _posted_library(request: Request) -> tuple[Form, bytes]:
    """The text fields of the form, and its file."""
    async with request.form(max_files=1, max_fields=20, max_part_size=MAX_BYTES) as form:
        fields = posted_fields(form)
        file = form.get("file")
        content = b"" if file is None or isinstance(file, str) else await file.read(MAX_BYTES + 1)
    return fields, content


PostedLibrary = Annotated[tuple[Form, bytes], Depends(_posted_library)]


@router.page("/library/{token:path}")
def library_page(link: ManageLink, page: PageNumber = 1) -> Response:
    """The entries of the library, and the progress of looking them up."""
    return _show(link, page=page)


@router.post("/library/{token:path}")
def change_library(link: ManageLink, posted: PostedLibrary) -> Response:
    """Add a file, pasted text or a library at Zotero; remove one entry, or all."""
    fields, content = posted
    action, typed = value(fields, "action"), value(fields, "text")
    try:
        if action == "zotero":
            library.add_zotero(link.site.engine, link.subscriber.id, value(fields, "zotero"), clock.now())
            return _show(link, _("We’re reading your library at Zotero. This takes a few minutes."))
        if action in ("add", ""):
            return _show(link, _add(link, content or typed.encode(errors="replace")))
    except UserError as problem:
        field = "zotero" if action == "zotero" else "file" if content else "text"
        return _show(link, typed=typed, errors={field: problem.words})
    if not link.is_fresh:
        raise HTTPException(403, _("Nothing has changed. Go back to your preferences and ask for a new link."))
    return _remove(link, fields)


def _add(link: PersonalLink, content: bytes) -> str:
    count = library.add(link.site.engine, link.subscriber.id, content, clock.now())
    if not count:
        return _("All of it is in your library already.")
    return n_("%(num)s entry added. We’re looking it up.", "%(num)s entries added. We’re looking them up.", num=count)


def _remove(link: PersonalLink, fields: Form) -> Response:
    engine, subscriber_id, now = link.site.engine, link.subscriber.id, clock.now()
    if (number := value(fields, "remove")).isascii() and number.isdecimal():
        gone = library.remove(engine, subscriber_id, int(number[:15]), now)
        return _show(link, _("Removed.") if gone else _("There’s nothing to remove."))
    if value(fields, "sure") != "yes":
        return _show(link, errors={"sure": _("Tick the box to confirm. This can’t be undone.")})
    count = library.remove_all(engine, subscriber_id, now)
    return _show(link, n_("%(num)s entry removed.", "%(num)s entries removed.", num=count))


def _show(
    link: PersonalLink,
    notice: str = "",
    *,
    page: int = 1,
    typed: str = "",
    errors: dict[str, Message | str] | None = None,
) -> Response:
    summary = feedback_summary(link.site.engine, link.subscriber) if link.is_fresh else None
    return link.show(
        "library",
        400 if errors else 200,
        view=library.view(link.site.engine, link.subscriber.id, page, clock.now()),
        is_fresh=link.is_fresh,
        problems=PROBLEMS,
        summary=summary,
        in_library=topics_with_counts(summary.library) if summary else [],
        most=MAX_ENTRIES,
        typed=typed,
        notice=notice,
        errors=errors or {},
    )
