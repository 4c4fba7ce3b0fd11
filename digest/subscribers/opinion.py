"""What a reader said of a paper by the links in their mails. Plain values; touches nothing."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class FeedbackKind(StrEnum):
    """The words stand in the database and in links."""

    MORE = "more"  # more like this
    LESS = "less"
    READ = "read"  # already read: never again, and it says nothing about taste


@dataclass(frozen=True, slots=True)
class PaperFeedback:
    """The last that one reader said of one paper."""

    paper_id: str
    said: FeedbackKind
    at: datetime
