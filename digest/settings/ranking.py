"""The settings of the ranking, all of which docs/ranking.md explains. Settings (settings/settings.py) has them all."""

from pydantic import Field
from pydantic_settings import BaseSettings


class RankingSettings(BaseSettings):
    """What an operator decides about the ranking; the names after `ranking_` are those of its Weights."""

    ranking_lateness: float = Field(
        0.3,
        ge=0,
        le=10,
        description="What each day of waiting takes off a paper's score, which is the logarithm of its odds; docs/ranking.md explains the formula.",
    )
    ranking_fresh_days: float = Field(
        3.25,
        gt=0,
        le=30,
        description="A paper first seen longer ago fills only places that no fresher one takes; the weekly issue has it all the same.",
    )
    ranking_comment_votes: float = Field(
        0.25,
        ge=0,
        le=100,
        description="Votes that a comment is worth, beyond the first, which is mostly the submitter's.",
    )
    ranking_bursts: float = Field(
        0.5, ge=0, le=1, description="Share of the votes that came implausibly fast which is not counted."
    )
    ranking_pace: float = Field(1.0, ge=0, le=10, description="Weight of the pace of the votes; 0 leaves it out.")
    ranking_community: float = Field(
        1.0, ge=0, le=10, description="Weight of code, its stars and a project page; 0 leaves them out."
    )
    ranking_records: float = Field(
        1.0,
        ge=0,
        le=10,
        description="Weight of how earlier papers of the same organisation and of the same submitter did; 0 leaves them out.",
    )
    ranking_hackernews: float = Field(
        0.1,
        ge=0,
        le=10,
        description="Votes that a point on Hacker News is worth, whose many readers vote for other reasons.",
    )
