"""The pictures of the README, taken by Chromium of a digest of real papers: `python -m tests.mail.picture`.

Titles, names, dates and counts are facts of 25 May 2026; the summaries are ours.
"""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import sync_playwright

from digest.issues.selection import Pick, Selection
from digest.papers.paper import Paper
from tests.mail.builders import a_part, a_press, an_issue, as_letter

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
QUIET = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-sync"


def _paper(arxiv: str, title: str, summary: str, authors: str, day: int, **known: Any) -> Paper:
    return Paper(
        id=arxiv,
        title=title,
        summary=summary,
        authors=tuple(authors.split(", ")),
        published_at=datetime(2026, 5, day, tzinfo=UTC),
        url=f"https://arxiv.org/abs/{arxiv}",
        **known,
    )


SHOWN = (
    (
        _paper(
            "2605.23904",
            "SkillOpt: Executive Strategy for Self-Evolving Agent Skills",
            "Treats the written skills of a frozen agent as weights to be trained: edits are proposed, measured and "
            "kept only when they help. Nothing is added when the agent runs.",
            "Yifan Yang, Ziyang Gong, Weiquan Huang" + ", …" * 12,
            22,
            organization="Microsoft Research",
            code_url="https://github.com/microsoft/SkillOpt",
            project_url="https://microsoft.github.io/SkillOpt/",
        ),
        {"upvotes": 106.0, "comments": 2.0},
        "",
    ),
    (
        _paper(
            "2605.22355",
            "TransitLM: A Large-Scale Dataset and Benchmark for Map-Free Transit Route Generation",
            "Thirteen million planned journeys from four Chinese cities, enough for a language model to learn to "
            "route passengers without ever being shown a map.",
            "Hanyu Guo, Jiedong Yang, Chao Chen" + ", …" * 3,
            21,
            organization="AMAP-ML",
            code_url="https://github.com/HotTricker/TransitLM",
        ),
        {"upvotes": 105.0, "comments": 1.0},
        "you follow datasets and benchmarks",
    ),
    (
        _paper(
            "2605.21573",
            "Lens: Rethinking Training Efficiency for Foundational Text-to-Image Models",
            "A text-to-image model of 3.8 billion parameters that keeps up with larger ones on about a fifth of the "
            "training budget of one of them.",
            "Dong Chen, Fangyun Wei, Ziyu Wan" + ", …" * 18,
            20,
            organization="Microsoft",
            code_url="https://github.com/microsoft/Lens",
        ),
        {"upvotes": 85.0, "comments": 1.0},
        "",
    ),
    (
        _paper(
            "2605.16928",
            "Full Attention Strikes Back: Transferring Full Attention into Sparse within Hundred Training Steps",
            "Language models trained with full attention turn out to be sparse inside already; a hundred training "
            "steps are enough to make long contexts cheap.",
            "Yanke Zhou, Yiduo Li, Hanlin Tang" + ", …" * 6,
            16,
            organization="RTP-LLM",
        ),
        {"upvotes": 64.0, "comments": 1.0},
        "matches your keyword “attention”",
    ),
)


def shown_html() -> str:
    """The HTML of the mail on the pictures."""
    issue = an_issue(paper for paper, _, _ in SHOWN)
    ranked = tuple(replace(place, terms=shown[1]) for place, shown in zip(issue.papers, SHOWN, strict=True))
    issue = replace(issue, date=date(2026, 5, 25), papers=ranked)
    picks = tuple(Pick(paper.id, reason) for paper, _, reason in SHOWN)
    return as_letter(a_press(issue).write(a_part(issue, Selection(picks, left_out=6))).envelope.message).html


def take(html: str, width: int, scheme: Literal["light", "dark"], file: Path) -> None:
    """A picture of the whole mail at `width` CSS pixels; no script runs and nothing is loaded."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET.split())
        page = browser.new_page(
            viewport={"width": width, "height": 600}, color_scheme=scheme, java_script_enabled=False, offline=True
        )
        page.set_content(html)
        page.screenshot(path=file, full_page=True)
        browser.close()


def main() -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    take(shown_html(), 640, "light", PICTURES / "digest-mail.png")
    take(shown_html(), 390, "dark", PICTURES / "digest-mail-dark.png")


if __name__ == "__main__":
    main()
