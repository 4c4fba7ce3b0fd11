"""The settings of retention: for how long rows are kept that nobody needs any more."""

from pydantic import Field
from pydantic_settings import BaseSettings


class RetentionSettings(BaseSettings):
    """Retention"""

    keep_deliveries_days: int = Field(
        200,
        ge=93,
        le=36500,
        description="Days that the deliveries of an issue are kept one by one. Older issues keep their sums; an issue with a delivery that is uncertain or quarantined is kept whole.",
    )
    keep_events_days: int = Field(
        400,
        ge=31,
        le=36500,
        description="Days that events are kept. Those of people, of issues and of stored subscribers are always kept.",
    )
    keep_votes_days: int = Field(
        200,
        ge=31,
        le=36500,
        description="Days that each observation of a paper's votes is kept. Of older ones, the first, the last and the highest stay.",
    )
    keep_rendered_days: int = Field(
        62,
        ge=31,
        le=36500,
        description="Days that the rendered parts of a finished issue are kept, from which its messages were made.",
    )
    keep_readings_days: int = Field(
        400, ge=93, le=36500, description="Days that the results of reading the sources are kept."
    )
    keep_webhooks_days: int = Field(
        30, ge=1, le=36500, description="Days that an event of webhooks is kept after its delivery or failure."
    )
