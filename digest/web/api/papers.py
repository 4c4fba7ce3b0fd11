"""The archive of papers."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import Path
from pydantic import BaseModel, Field

from digest.database.engine import read_only
from digest.monitoring.api_tokens import TokenScope
from digest.papers.paper import Paper, Votes
from digest.papers.store import newest_papers
from digest.papers.store import paper as stored_paper
from digest.web.api.access import ApiRouter, TheCaller
from digest.web.api.paging import ResourcePage, ThePart
from digest.web.api.problems import ApiProblem

router = ApiRouter(tags=["papers"])

_Id = Annotated[str, Path(alias="id", pattern="^[A-Za-z0-9][A-Za-z0-9.:/_-]*$", max_length=80)]


class PaperResource(BaseModel):
    """A publication. "" and null: unknown."""

    id: str = Field(description='The arXiv id without version, else "source:id".')
    title: str
    abstract: str
    summary: str
    authors: list[str]
    organization: str
    categories: list[str]
    keywords: list[str]
    published_at: datetime | None
    listed_at: datetime | None = Field(description="When it was put on a list that people vote on.")
    url: str
    code_url: str
    project_url: str

    @classmethod
    def of(cls, paper: Paper) -> Self:
        return cls(**_fields(paper))


class ArchivedPaper(PaperResource):
    """A paper in the archive."""

    first_seen_at: datetime = Field(description="When this installation first saw it.")


class VotesResource(BaseModel):
    """The counts that a source last showed for a paper."""

    source: str
    observed_at: datetime
    upvotes: int
    comments: int
    stars: int | None = Field(description="Of the code repository.")


class PaperWithVotes(ArchivedPaper):
    """A paper with the newest counts of each source."""

    votes: list[VotesResource]


class PaperPage(ResourcePage):
    """Part of the list of papers."""

    items: list[ArchivedPaper]


def _fields(paper: Paper) -> dict[str, object]:
    plain = ("id", "title", "abstract", "summary", "published_at", "listed_at")
    links = ("url", "code_url", "project_url")
    lists = {name: list(getattr(paper, name)) for name in ("authors", "categories", "keywords")}
    values = {name: getattr(paper, name) for name in (*plain, *links)}
    return values | lists | {"organization": paper.organization_name}


@router.read(TokenScope.PAPERS_READ, "/papers", errors=[404])
def list_papers(caller: TheCaller, part: ThePart) -> PaperPage:
    """List the papers of the archive, first seen last first."""
    before = part.after(datetime, str)
    with read_only(caller.site.engine) as connection:
        listed = newest_papers(connection, part.wanted, before)
    shown, following = part.cut(listed, lambda each: (each[1], each[0].id))
    items = [ArchivedPaper(**_fields(paper), first_seen_at=seen_at) for paper, seen_at in shown]
    return PaperPage(items=items, next=following)


@router.read(TokenScope.PAPERS_READ, "/papers/{id:path}")
def show_paper(caller: TheCaller, paper_id: _Id) -> PaperWithVotes:
    """Show a paper with its votes."""
    with read_only(caller.site.engine) as connection:
        observed = stored_paper(connection, paper_id)
    if observed is None:
        raise ApiProblem(404, "There is no such paper.")
    newest: dict[str, Votes] = {votes.source: votes for votes in observed.votes}  # the last one counts
    votes = [
        VotesResource(
            source=each.source,
            observed_at=each.observed_at,
            upvotes=each.upvotes,
            comments=each.comments,
            stars=each.stars,
        )
        for each in newest.values()
    ]
    return PaperWithVotes(**_fields(observed.paper), first_seen_at=observed.first_seen_at, votes=votes)
