"""The settings of papers and issues: sources, the pool, the cut."""

import re
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode

from digest.papers.sources import source_names
from digest.papers.taxonomy import closest_category, parse_category
from digest.settings.environment import at_home
from digest.settings.installation import web_address
from digest.text import listed_words

_Address = Annotated[str, AfterValidator(web_address)]


def _clock_time(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*([01]?\d|2[0-3]):([0-5]\d)\s*", value, re.ASCII)
    if not match:
        raise ValueError("write a time of day in UTC as HH:MM, such as 06:00, without a time zone")
    return time(int(match[1]), int(match[2]))


def _has_host(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0 and parts.netloc.count("@") <= 1
    except ValueError:  # a part of a password for the port
        return False


def _model_address(value: str) -> str:
    return web_address(value.strip().rstrip("/").removesuffix("/chat/completions")) if value else ""


class SourceSettings(BaseSettings):
    """Paper sources"""

    sources: Annotated[tuple[str, ...], NoDecode] = Field(
        source_names.DEFAULT,
        description=f"Sources of papers: any of {' '.join(source_names.OWN)}, or a name that an installed package adds (docs/sources.md). With `readers`, subscribers can suggest papers and vote through their own links.",
    )
    huggingface_url: _Address = Field(
        "https://huggingface.co", description="Base address of the Hugging Face Daily Papers API."
    )
    arxiv_url: _Address = Field("https://export.arxiv.org", description="Base address of the arXiv export API.")
    arxiv_feed_url: _Address = Field(
        "https://rss.arxiv.org", description="Base address of the arXiv announcement feeds."
    )
    arxiv_categories: Annotated[tuple[str, ...], NoDecode] = Field(
        ("cs.AI", "cs.CL", "cs.CV", "cs.LG"), description="arXiv categories to read."
    )
    hackernews_url: _Address = Field(
        "https://hn.algolia.com",
        description="Base address of the Hacker News search; points and comments there count as a signal for papers that another source lists.",
    )
    zotero_url: _Address = Field(
        "https://api.zotero.org", description="Base address of Zotero, where subscribers' public libraries are read."
    )
    crossref_url: _Address = Field(
        "https://api.crossref.org",
        description="Base address of Crossref, where papers in subscribers' libraries are looked up by DOI. It is sent DIGEST_CONTACT if that is an email address.",
    )
    feeds: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Your own lists for the source `feeds`: files or web addresses, in JSON, JSON Lines, Atom or RSS (docs/sources.md).",
    )
    collect_minutes: int = Field(
        30,
        ge=5,
        le=60,
        description="Minutes between two readings of the sources. Each reading observes the votes of today's and yesterday's papers; the rest of the pool is observed hourly.",
    )
    source_timeout_seconds: float = Field(
        20.0, gt=0, le=300, description="Seconds that one answer of a source may take in total."
    )

    @field_validator("sources", "arxiv_categories", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        return tuple(listed_words(value)) if isinstance(value, str) else value

    @field_validator("feeds", mode="before")
    @classmethod
    def _addresses(cls, value: Any) -> Any:
        # A semicolon may be part of an address.
        return tuple(re.sub("[,，、]", " ", value).split()) if isinstance(value, str) else value

    @field_validator("sources", "arxiv_categories")
    @classmethod
    def _some(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("write at least one name, or remove the setting")
        return value

    @field_validator("arxiv_categories")
    @classmethod
    def _categories(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in value if parse_category(name) is None]:
            near = closest_category(unknown[0]) or "cs.CL"
            raise ValueError(f"arXiv has no category {unknown[0]!r}; write one such as {near}")
        return tuple(dict.fromkeys(filter(None, map(parse_category, value))))

    @field_validator("sources")
    @classmethod
    def _sources(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        names = source_names.names()
        if unknown := [name for name in value if name not in names]:
            raise ValueError(f"unknown source {unknown[0]!r} (available: {', '.join(names)})")
        return value

    @field_validator("feeds")
    @classmethod
    def _feeds(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            scheme, colon, _ = address.partition("://")
            if colon and (scheme not in ("http", "https") or not _has_host(address)):
                raise ValueError(
                    "write files, or addresses that start with http:// or https://; in a password, / ? # @ and : are "
                    "%2F %3F %23 %40 and %3A"
                )
        return tuple(address if "://" in address else str(at_home(Path(address))) for address in value)


class CutSettings(BaseSettings):
    """Issues"""

    cut_at: Annotated[time, BeforeValidator(_clock_time)] = Field(
        time(6, 0), description="When the day's issue is cut, UTC, `HH:MM`."
    )
    pool_days: int = Field(
        7, ge=1, le=30, description="An issue ranks the papers first seen within this many days before the cut."
    )
    issue_papers: int = Field(
        200,
        ge=1,
        le=2000,
        description="The best papers of an issue, which its pages show. A subscriber's list is chosen from these and from "
        "the other papers of the pool that match what they follow or like.",
    )
    full_lists: bool = Field(
        False,
        description="Fill every list, however few papers are worth it. Otherwise papers with little chance of being among the week's best are left out, and on a day with fewer than three papers worth an email there is none; subscribers can choose full lists for themselves.",
    )
    overdue_hours: int = Field(
        18, ge=1, le=240, description="An issue that could not be sent this many hours after it was due is given up."
    )
    sweep_seconds: int = Field(
        15,
        ge=1,
        le=300,
        description="Seconds between two sweeps of the scheduler. A delivery whose hint was lost waits up to this long.",
    )


class ModelSettings(BaseSettings):
    """Summaries by a language model"""

    llm_url: Annotated[str, AfterValidator(_model_address)] = Field(
        "",
        description="Address of a language model that writes one sentence about each of an issue's best papers, such as `https://api.openai.com/v1`, or `http://127.0.0.1:11434/v1` for Ollama on this machine: anything that speaks OpenAI's API. It is sent titles and abstracts, and nothing about subscribers. Empty: none; emails show the sentence of the abstract that says what a paper does.",
    )
    llm_model: str = Field(
        "",
        max_length=60,
        description="Name of the model there, such as `gpt-4o-mini` or `llama3.2`. Subscribers see it below each summary.",
    )
    llm_key: SecretStr = Field(
        SecretStr(""), description="Key for that address, sent as a bearer token. Empty: none is needed."
    )
    llm_seconds: float = Field(
        30.0,
        ge=2,
        le=300,
        description="Seconds that one answer of the model may take, and that a cut waits for all summaries that are still missing. Most are written in the hour before.",
    )
    llm_monthly_requests: int = Field(
        3000,
        ge=1,
        le=1_000_000,
        description="Requests to the model in one month (UTC). When they are used up, papers without a summary show the sentence of their abstract until the month ends.",
    )

    @field_validator("llm_model")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if value and not re.fullmatch(r"[\w.:/@+-]+(?: [\w.:/@+-]+)*", value):
            raise ValueError("write the name of a model, such as gpt-4o-mini or llama3.2:3b")
        return value

    @model_validator(mode="after")
    def _named(self) -> Self:
        """Reject an address without a model."""
        if self.llm_url and not self.llm_model:
            raise ValueError("DIGEST_LLM_URL: name a model there in DIGEST_LLM_MODEL")
        return self
