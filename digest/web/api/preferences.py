"""The preferences of a subscriber, with the same fields and rules as the form on the site."""

from collections.abc import Collection
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, StrictBool, StrictInt

from digest import clock
from digest.papers.topics import TOPICS
from digest.subscribers.preferences import MAX_INTERESTS, fields_of, parse_preferences
from digest.subscribers.subscriber import MAX_PAPERS, Balance, Frequency, Preferences
from digest.web.api.problems import invalid_fields
from digest.web.api.values import Day, RequestBody

TopicSlug = StrEnum("TopicSlug", {topic.slug: topic.slug for topic in TOPICS})  # type: ignore[misc]
Word = Annotated[str, Field(min_length=2, max_length=60, pattern=r"^[^\x00-\x1f\x7f,;]*$")]
WordList = Annotated[list[Word], Field(max_length=MAX_INTERESTS)]
Categories = Annotated[
    list[Annotated[str, Field(min_length=2, max_length=20, pattern=r"^[A-Za-z.-]+$")]], Field(max_length=MAX_INTERESTS)
]
TopicList = Annotated[list[TopicSlug], Field(max_length=len(TOPICS))]
_LISTS = ("keywords", "categories", "authors", "labs", "muted_words")


class DeliveryDays(StrEnum):
    """The days on which someone gets an issue."""

    DAILY = "daily"
    WORKDAYS = "workdays"
    WEEKLY = "weekly"


class PreferencesResource(BaseModel):
    """A subscriber's choices."""

    topics: list[str]
    keywords: list[str]
    categories: list[str] = Field(description='Of arXiv, such as "cs.CL"; "cs" means all of them.')
    authors: list[str]
    labs: list[str]
    muted_topics: list[str]
    muted_words: list[str]
    surprise: bool = Field(description="Adds one paper from outside their interests.")
    balance: Balance = Field(
        description="`best`: the day's best papers. `mine`: mostly those that match what they follow or liked. `only`:"
        " nothing else, and no email on a day without any."
    )
    papers: int = Field(description="In one issue, at most.")
    full_lists: bool = Field(description="As many papers every day, whether or not they are worth it.")
    frequency: DeliveryDays
    weekday: int | None = Field(description="0 is Monday; null unless the frequency is weekly.")
    hour: int
    zone: str
    language: str = Field(description='BCP 47; "" is the language of the site.')
    paused_until: date | None = Field(description="The first day with an issue again.")

    @classmethod
    def of(cls, wants: Preferences) -> Self:
        lists = {name: list(getattr(wants, name)) for name in ("topics", "muted_topics", *_LISTS)}
        same = ("surprise", "balance", "papers", "full_lists", "hour", "zone", "language", "paused_until")
        days = _frequency(wants)
        weekday = min(wants.weekdays) if days is DeliveryDays.WEEKLY else None
        return cls(**lists, **{name: getattr(wants, name) for name in same}, frequency=days, weekday=weekday)


def _frequency(wants: Preferences) -> DeliveryDays:
    return DeliveryDays(fields_of(wants, clock.now())["frequency"])


class PreferencesChange(RequestBody):
    """Preferences to change. Those that are left out stay as they are."""

    topics: TopicList = Field(default_factory=list)
    keywords: WordList = Field(default_factory=list)
    categories: Categories = Field(default_factory=list)
    authors: WordList = Field(default_factory=list)
    labs: WordList = Field(default_factory=list)
    muted_topics: TopicList = Field(default_factory=list)
    muted_words: WordList = Field(default_factory=list)
    surprise: StrictBool = Field(default_factory=bool)
    balance: Balance = Field(default_factory=lambda: Balance.BOTH)
    papers: Annotated[StrictInt, Field(ge=1, le=MAX_PAPERS)] = Field(default_factory=int)
    full_lists: StrictBool = Field(default_factory=bool)
    frequency: DeliveryDays = Field(default_factory=lambda: DeliveryDays.DAILY)
    weekday: Annotated[StrictInt, Field(ge=0, le=6, description="0 is Monday; only of a weekly issue.")] = Field(
        default_factory=int
    )
    hour: Annotated[StrictInt, Field(ge=0, le=23)] = Field(default_factory=int)
    zone: Annotated[str, Field(max_length=64, pattern="^[A-Za-z0-9_/+-]*$", description="IANA")] = Field(
        default_factory=str
    )
    language: Annotated[str, Field(max_length=20, pattern="^[A-Za-z0-9-]*$")] = Field(default_factory=str)
    paused_until: Day | None = Field(None, description="The first day with an issue again; null ends a pause.")


def changed_preferences(
    change: PreferencesChange,
    current: Preferences,
    now: datetime,
    languages: Collection[str],
    pointer: str = "",
    has_liked: bool = False,
) -> Preferences:
    """The preferences after a change, by the rules of the form on the site. Raises ApiProblem 422.

    `pointer`: to the change in the body. `has_liked`: they want more of some paper.
    """
    given = change.model_dump(exclude_unset=True)
    is_weekly = given.get("frequency", _frequency(current)) == DeliveryDays.WEEKLY
    if "weekday" in given and not is_weekly:
        raise invalid_fields([(f"{pointer}/weekday", "Only a weekly issue has a weekday.")])
    form = {"topics": list(current.topics)}  # a form without topics has none ticked
    for name, value in given.items():
        form |= _typed(name, value)
    if is_weekly and given.keys() & {"frequency", "weekday"}:
        day = min(current.weekdays) if current.frequency is Frequency.WEEKLY else 0
        form |= {"frequency": ["weekly"], "weekday": [str(given.get("weekday", day))]}
    parsed = parse_preferences(form, now, current, languages, has_liked)
    if isinstance(parsed, dict):
        raise invalid_fields([(f"{pointer}/{_SENT_AS.get(name, name)}", str(words)) for name, words in parsed.items()])
    return parsed


_SENT_AS = {"pause": "paused_until"}


def _typed(name: str, value: Any) -> dict[str, list[str]]:
    """A field as the form of the site sends it."""
    if name == "paused_until":
        return {"pause": ["until"], "pause_until": [value.isoformat()]} if value else {"pause": ["0"]}
    if name in ("topics", "muted_topics"):
        return {name: ["", *map(str, value)]}
    if isinstance(value, list):
        return {name: [", ".join(value)]}
    if isinstance(value, bool):
        return {name: ["yes" if value else "no"]}
    return {name: [str(value)]}
