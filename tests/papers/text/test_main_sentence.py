"""The sentence that stands for an abstract says what the paper does. All texts but the recorded ones are made up."""

import gzip
import json

import pytest

from digest.papers.paper import Paper
from digest.papers.text.main_sentence import main_sentence, sentences
from digest.papers.text.plaintext import plaintext

# Every 275th recorded paper from the 138th on; none of them was looked at while the rules were written. After the id:
# does the chosen sentence say what the paper does, as a person judged it on 2026-11-29? Then its first words.
FIRST, EVERY, LEAST = 137, 275, 45
JUDGED = """
    2603.29552 yes We use language model training as
    2604.00778 yes We use character counting (e.g., "How
    2604.01826 yes We propose SafeRoPE, a lightweight and
    2604.03203 yes To aid in these developments we
    2604.04426 yes We propose ShieldNet, a network-level guardrail
    2604.05522 no  We formalize the challenge as a
    2604.07009 yes We propose Counterfactual Averaging for Fair
    2604.07786 yes We propose Cross-Modal Emotion Transfer (C-MET),
    2604.09482 yes We introduce Process Reward Agents (PRA),
    2604.10417 yes We constructed the first Low-resource languages
    2604.10439 yes We introduce PERCEPT-Net, a framework leveraging
    2604.12012 yes Combining these components, we develop TIPSv2,
    2604.14061 yes We show that the maximum expected
    2604.14306 yes Following FAIR data principles and SPIRIT-AI
    2604.15748 yes We propose Concept-wise Attention for Fine-grained
    2604.16989 yes We report new results on six
    2604.17930 no  We investigate whether these failures stem
    2604.19131 yes We therefore derive two dataset-specific QWK
    2604.20048 yes We test urban perception in frontier
    2604.21396 yes We propose the Visual Grounding Chain-of-Thought
    2604.24499 yes We provide a quantitive assessment of
    2604.23540 yes We propose Oracle Noise, a zero-shot
    2604.25405 yes We propose DualViewMapDet, a camera-only inference
    2604.27201 yes We propose Path-Lock Expert (PLE), an
    2605.00294 yes This study presents a systematic approach
    2605.01284 yes We present Chain of Evidence (CoE),
    2605.02707 yes We propose a Structure-Aware Interpretable Learning
    2605.04358 yes We propose a search-based method employing
    2605.06221 yes We propose UniPrefill, a prefill acceleration
    2605.07624 yes We study conditional entropy frameworks based
    2605.07766 yes We introduce Head Similarity, a new
    2605.08712 yes We propose a kinematic-to-visual lifting paradigm
    2605.10087 yes This paper describes an initiation of
    2605.11520 yes This paper proposes PointGS, a simple
    2605.12570 yes We propose M3Net, a novel 3D
    2605.14087 yes We evaluate the efficacy of DExperts
    2605.14771 yes This report focuses on the architectural
    2605.16366 yes We propose Fre-Res, a budget-adaptive dual-track
    2605.16818 yes We propose Observation-Aligned Mask Priors, a
    2605.18328 yes We address this with CineMatte, a
    2605.20158 yes We propose MedFocus, a concept-based attribution
    2605.20838 yes This paper presents USV, the User-generated
    2605.22705 yes We introduce Tokenization with Split Trees
    2605.23482 yes We present Multimodal Distribution Matching (MDM),
    2605.24533 yes We propose a gated reliability-adaptive shape
    2605.26074 yes We introduce StakeBench, an evaluation framework
    2605.27044 yes We propose BatteryMFormer, a multi-level Transformer
    2605.27962 yes This paper describes our approach for
    2605.28602 yes We present a systematic study of
    2605.29656 yes We introduce TRACE (Toulmin-based Reasoning Assessment
"""


def test_of_recorded_abstracts_at_least_nine_in_ten_are_told_by_the_right_sentence(shared_data):
    with gzip.open(shared_data / "arxiv" / "listings_2026-04_2026-05.jsonl.gz", "rt") as lines:
        papers = [json.loads(line) for line in lines][FIRST::EVERY]
    judged = [line.split(maxsplit=2) for line in JUDGED.strip().splitlines()]
    chosen = [main_sentence(plaintext(paper["title"]), plaintext(paper["summary"])) for paper in papers]
    assert [(paper["id"], " ".join(text.split()[:6])) for paper, text in zip(papers, chosen, strict=True)] == [
        (paper_id, words) for paper_id, _, words in judged
    ]
    assert sum(verdict == "yes" for _, verdict, _ in judged) >= LEAST


BACKGROUND = "Sorting papers is hard. Prior work by Ada et al. 2025 uses rules, e.g. keywords, and needs 0.5 s."
RESULTS = (
    "Experiments on three datasets show that it outperforms all baselines. Code is available at https://example.org."
)


@pytest.mark.parametrize(
    ("claim", "shown"),
    [
        (
            "We introduce a sorter that learns from votes, as a librarian would if there were enough of them in time.",
            "",
        ),
        (
            "This paper studies how people sort papers at breakfast, and which of the habits that they form will last.",
            "",
        ),
        (
            "To address these gaps, we propose a sorter that learns from the votes of all its readers, day after day.",
            "We propose a sorter that learns from the votes of all its readers, day after day.",
        ),
        ("However, in this work, we show that no sorter of papers is best for all.", "We show that no sorter"),
        (
            "Sorta is a library that sorts papers by the votes that they got, in the order of their days in the list.",
            "",
        ),
        ("A new sorter of papers is proposed, with a proof that it ends whatever the papers are that it is given.", ""),
        ("I argue that papers should not be sorted by people who have not read them, or have read too many.", ""),
    ],
)
def test_the_claim_is_found_between_background_and_results(claim: str, shown: str) -> None:
    found = main_sentence("Sorta: Sorting Papers", f"{BACKGROUND} {claim} {RESULTS}")
    assert found.startswith(shown or claim)


def test_a_long_sentence_begins_at_its_claim() -> None:
    reason = "Since papers come from many places and at many hours, " + "and since people sleep at other hours, " * 5
    found = main_sentence("Sorting", f"{BACKGROUND} {reason}we propose a sorter that never sleeps. {RESULTS}")
    assert found.startswith("We propose a sorter that never sleeps.")


@pytest.mark.parametrize("abstract", ["", "Papers are many. Days are short.", "论文很多。我们排序。", "…", "? ! ."])
def test_an_abstract_without_a_claim_stays_whole(abstract: str) -> None:
    assert main_sentence("Sorting", abstract) == abstract


def test_abbreviations_names_and_numbers_end_no_sentence() -> None:
    text = "See Fig. 2 of A. Lovelace et al. (2025), i.e. p < 0.05. It is (nearly) done! “Is it?” ½ of it."
    assert sentences(text) == [
        "See Fig. 2 of A. Lovelace et al. (2025), i.e. p < 0.05.",
        "It is (nearly) done!",
        "“Is it?”",
        "½ of it.",
    ]


def test_a_summary_of_the_source_comes_first() -> None:
    abstract = f"{BACKGROUND} We sort papers by their votes, which nobody did before. {RESULTS}"
    assert Paper("a", "Sorting", abstract=abstract, summary="Sorts\npapers.").gist == "Sorts papers."
    assert Paper("a", "Sorting", abstract=abstract).gist.startswith("We sort papers by their votes")
