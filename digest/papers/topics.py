"""The topics that subscribers can follow, and the papers that belong to them."""

import re
from dataclasses import dataclass

from digest.language import Message, _
from digest.papers.paper import Paper
from digest.papers.taxonomy import parse_category


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic: papers belong to it by category, or by a word in their title, summary or keywords."""

    slug: str
    name: Message
    categories: tuple[str, ...]
    words: tuple[str, ...]


TOPICS = (
    Topic("language-models", _("language models"), ("cs.CL",), ("language model", "llm", "llms", "nlp", "tokenizer")),
    Topic("agents", _("agents and tool use"), ("cs.MA",), ("agent", "agents", "agentic", "tool use", "tool-use")),
    Topic("vision", _("computer vision"), ("cs.CV",), ("vision", "visual", "image", "images", "segmentation")),
    Topic(
        "generation",
        _("image and video generation"),
        (),
        ("diffusion", "text-to-image", "video generation", "generative"),
    ),
    Topic("multimodal", _("multimodal models"), ("cs.MM",), ("multimodal", "vlm", "vlms", "mllm", "vision-language")),
    Topic(
        "reasoning",
        _("reasoning and reinforcement learning"),
        (),
        ("reasoning", "reinforcement learning", "rl", "grpo"),
    ),
    Topic(
        "robotics", _("robotics"), ("cs.RO",), ("robot", "robots", "robotic", "robotics", "manipulation", "embodied")
    ),
    Topic("speech", _("speech and audio"), ("cs.SD", "eess.AS"), ("speech", "audio", "music", "voice")),
    Topic(
        "retrieval",
        _("search and retrieval"),
        ("cs.IR",),
        ("retrieval", "rag", "recommendation", "embedding", "embeddings"),
    ),
    Topic(
        "efficiency",
        _("efficient training and inference"),
        ("cs.DC", "cs.AR"),
        ("quantization", "pruning", "kv cache", "distillation", "mixture-of-experts"),
    ),
    Topic(
        "graphs",
        _("graph learning"),
        ("cs.SI",),
        ("graph neural", "graph learning", "knowledge graph", "gnn", "graphs"),
    ),
    Topic(
        "science",
        _("AI for science"),
        ("q-bio.BM", "physics.comp-ph"),
        ("protein", "molecule", "molecular", "chemistry", "biology", "medical", "clinical"),
    ),
    Topic(
        "safety",
        _("safety and alignment"),
        ("cs.CR", "cs.CY"),
        ("alignment", "safety", "jailbreak", "red teaming", "interpretability"),
    ),
    Topic(
        "software",
        _("code and software engineering"),
        ("cs.SE", "cs.PL"),
        ("code generation", "software engineering", "program synthesis", "swe-bench"),
    ),
    Topic("data", _("datasets and benchmarks"), (), ("benchmark", "dataset", "datasets", "evaluation suite")),
)
TOPIC_SLUGS = frozenset(topic.slug for topic in TOPICS)


def topic_with(slug: str) -> Topic | None:
    return next((topic for topic in TOPICS if topic.slug == slug), None)


def topics_of(paper: Paper) -> tuple[Topic, ...]:
    categories, text = _categories_and_text(paper)
    return tuple(topic for topic in TOPICS if _matches(topic, categories, text))


def matches_topic(paper: Paper, topic: Topic) -> bool:
    return _matches(topic, *_categories_and_text(paper))


def _categories_and_text(paper: Paper) -> tuple[set[str | None], str]:
    text = f"{paper.title} {paper.summary} {' '.join(paper.keywords)}".casefold()
    return set(map(parse_category, paper.categories)), text


def _matches(topic: Topic, categories: set[str | None], text: str) -> bool:
    if not categories.isdisjoint(topic.categories):
        return True
    return any(word in text and re.search(rf"\b{re.escape(word)}\b", text) for word in topic.words)
