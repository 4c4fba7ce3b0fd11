"""Settings for retention: the days that old rows are kept."""

from pydantic import Field
from pydantic_settings import BaseSettings


class RetentionSettings(BaseSettings):
    """Retention"""

    keep_deliveries_days: int = Field(
        200,
        ge=93,
        le=36500,
        description="Days that the single deliveries of an issue are kept. Older issues keep their sums; an issue with an uncertain or quarantined delivery is kept whole.",
    )
    keep_events_days: int = Field(
        400,
        ge=31,
        le=36500,
        description="Days that events are kept. Actions of people, and events about issues and stored subscribers, are always kept.",
    )
    keep_votes_days: int = Field(
        200,
        ge=31,
        le=36500,
        description="Days that each observation of a paper's votes is kept. The first, last and highest of the older ones stay.",
    )
    keep_ranking_days: int = Field(
        200,
        ge=93,
        le=36500,
        description="Days that an issue keeps its papers as they were at its cut, with all numbers behind their ranks. Older issues keep ranks, scores and votes, and show the papers as they are in the archive.",
    )
    keep_rendered_days: int = Field(
        62,
        ge=31,
        le=36500,
        description="Days that the rendered parts of a finished issue's messages are kept.",
    )
    keep_readings_days: int = Field(
        400, ge=93, le=36500, description="Days that the results of reading the sources are kept."
    )
    keep_webhooks_days: int = Field(
        30, ge=1, le=36500, description="Days that a webhook event is kept after it was delivered or failed."
    )
