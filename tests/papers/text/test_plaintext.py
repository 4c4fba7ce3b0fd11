"""Titles and abstracts become readable text that loses nothing."""

import gzip
import json
import re
import unicodedata
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.papers.text.plaintext import LONGEST, plaintext


@pytest.mark.parametrize(
    "prose",
    [
        "Achieves 95% accuracy, 3x faster & 40% cheaper",
        "$5 and $10",
        "cost $5",
        "from $100K-$200K to $1.2M, about $3 a day",
        "US$5 to US$10",
        "#1_under",
        "C&C and R&D, AT&T's x_i^2",
        "a < b and x<y, p<0.05 > q",
        "<think> and <s> and <image> are tokens",
        "set {a, b} and prompt {question}",
        "run with --flag ~10 times, see cs.edu/~name",
        "https://example.org/r/a--b/c_d?x=1&y=2",
        "a regular expression \\d+ and \\n",
        "日本語 العربية हिन्दी 👩‍🔬 naïve",
        "$HOME/$USER",
        "5$ or 6$ and {",
    ],
)
def test_prose_stays_as_it_is(prose: str) -> None:
    assert plaintext(prose) == prose


@pytest.mark.parametrize(
    ("latex", "readable"),
    [
        ("LeC$^2$O-NeRF", "LeC²O-NeRF"),
        ("$D^2LoRA$: x", "D²LoRA: x"),
        ("Allo{SR}$^2$ for {a} $k$", "AlloSR² for {a} k"),
        (r"A$^\text{T}$A", "AᵀA"),
        (r"$φ^{\infty}$", "φ^∞"),
        (r"$\textit{Agents Under Siege}$: Breaking", "Agents Under Siege: Breaking"),
        (r"($\times$4) and $\sim$5, $>$20, $-$19.0pp", "(×4) and ∼5, >20, -19.0pp"),
        (r"1\textpertenthousand Spatial", "1‱ Spatial"),
        (r"$\mathbf{\texttt{D}}$ual-$\mathbf{\texttt{H}}$ead", "Dual-Head"),
        (r"$\mathcal{O}(n\log n)$ in $\mathbb{R}^{d}$", "O(n log n) in ℝᵈ"),
        (r"$10^{-3}$, $x_{ij}^2$, $x_{max}$, $e^{i\pi}$", "10⁻³, xᵢⱼ², x_(max), e^(iπ)"),
        (r"$\frac{a+b}{2}$ $\sqrt{n}$ $\sqrt[3]{x+1}$ $\hat{x}$", "(a+b)/2 √n ³√(x+1) x̂"),
        (r"\(y_1\) \[z\] $$x^2$$", "y₁ z x²"),
        (r"$k$NN, $n$th, top-$k$, $95\%$", "kNN, nth, top-k, 95%"),
        (r"5\% \& \$5 \_ \{a\} \#1", "5% & $5 _ {a} #1"),
        (r"\textbf{X}\emph{y} {\em so} \texttt{I}mages", "Xy so Images"),
        (r"\url{https://a.b/c\_d} \href{http://u.v}{text}", "https://a.b/c_d text (http://u.v)"),
        (r"\href{http://u.v}{http://u.v}", "http://u.v"),
        (r"\method{} beats \ours, \eg by \gls{llm}", "method beats ours, e.g. by llm"),
        (r"G\"odel {\'e} \'{E} Erd\H{o}s \v{S} \c{c} \~n \i", "Gödel é É Erdős Š ç ñ ı"),
        (r"Sm{\o}rrebr\o d \L ukasz", "Smørrebrød Łukasz"),
        (r"don\'t, LLM\'s, caf\'e", "don't, LLM's, café"),
        ("``quoted'' Vision--Language -- so---far", "“quoted” Vision–Language – so—far"),
        ("Fig.~3, Section~2, 14{,}056 (x)~\\cite{y}", "Fig. 3, Section 2, 14,056 (x) [y]"),
        (r"Spearman \r{ho} and \k{appa}", "Spearman ρ and κ"),
        (r"$a \neq b$, $x \not= y$, $\ell_2$", "a ≠ b, x ≠ y, ℓ₂"),
        (r"$\sqrt\frac{a}{b}$, $\frac12$, $\hat\alpha\beta$, $x^\mathbb{R}$", "√(a/b), 1/2, α̂β, x^ℝ"),
        (r"$\hat{\mbox{\boldmath $u$}}=1$ and $a \text{ if $b$}$", "û=1 and a if b"),
        (r"{\sim}300 from {\Delta}G, 360{\deg} and {\model} but {a} and L_{\text{exec}}",
         "∼300 from ΔG, 360deg and model but {a} and L_exec"),
        (r"\textbf {spaced} \operatorname*{argmax} \cite[p. 3]{a_b} \name*{x}", "spaced argmax [a_b] name x"),
        (r"\textcolor[rgb]{1,0,0}{red} \footnote{see \url{http://a.b/100\%}}", "red (see http://a.b/100%)"),
        (r"\begin{itemize} \item one \end{itemize} 中\alpha中 \LaTeX{}", "• one 中α中 LaTeX"),
    ],
)  # fmt: skip
def test_latex_becomes_readable(latex: str, readable: str) -> None:
    assert plaintext(latex) == readable


@pytest.mark.parametrize(
    ("broken", "readable"),
    [
        (r"a \textbf{bold that is cut of", "a {bold that is cut of"),
        (r"\hrefhttp://a.b}{Page} and \method{Name", "hrefhttp://a.b}{Page} and method {Name"),
        (r"a lone $ and a } and a { and 5\% of \$", "a lone $ and a } and a { and 5% of $"),
        (r"$\tilde{O(n)$ and $\frac{a}$", "tilde {O(n) and frac a"),
        (r"\(x_1 and \[ and \) end\\", "x₁ and [ and end"),
        (r"$\frac{a}{b$ c} $x$", "frac a{b c} x"),
        (r"\textbf{costs US$5} or $x$", "costs US$5 or x"),
        (r"x^\end{y} \hat\end \sqrt[3 \cite[a", "x^ hat √([)3 [a"),
        (r"{\(x\)} and {$x$} and {}", "{x} and {x} and {}"),
        ("\\", "\\"),
    ],
)
def test_broken_latex_keeps_its_words(broken: str, readable: str) -> None:
    assert plaintext(broken) == readable


@pytest.mark.parametrize(
    ("markup", "readable"),
    [
        ("C&amp;C a &lt; b &amp;amp;lt;i&amp;amp;gt; &eacute;&#233;&#xe9;", "C&C a < b <i> ééé"),
        ("<i>x</i> H<sub>2</sub>O 10<sup>-3</sup> <a href='u'>link</a><br/>new", "x H₂O 10⁻³ link new"),
        ("<jats:p>CO<jats:sub>2</jats:sub></jats:p> <p>one</p><p>two</p>", "CO₂ one two"),
        ("if a<b and c>d or <b> alone", "if a<b and c>d or <b> alone"),
        ("two\n  lines\tand\u2028more", "two lines and more"),
        ("a\x00b\u202ec\u200bd\ufeffe\ud800f\x1b[0m\u00adg\u2066", "abcdef[0mg"),
    ],
)
def test_markup_and_invisible_characters_go(markup: str, readable: str) -> None:
    assert plaintext(markup) == readable


WORDS = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
ODD = st.sampled_from(
    ["$", "$$", "\\", "{", "}", "^", "_", "&", "<", ">", "%", "#", "~", "\\(", "\\)", "\\frac", "\\textbf{", "--", "``",
     "''", "&lt;", "<i>", "</i>", "<sub>", "\\'", '\\"', "\\sqrt[", "\\not", "\\href{", "\\begin{x}", "\n", "\x00"]
)  # fmt: skip


@given(st.lists(st.one_of(WORDS, ODD, st.text(max_size=3)), max_size=40), st.sampled_from(["", " "]))
def test_whatever_comes_the_result_is_one_printable_line(parts: list[str], between: str) -> None:
    shown = plaintext(between.join(parts))
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp", "Co")]
    assert shown == " ".join(shown.split())


@given(st.lists(st.from_regex(r"[A-Za-z]{4,9}|[0-9]{1,5}", fullmatch=True), min_size=1, max_size=20), st.data())
def test_no_word_and_no_number_is_lost(words: list[str], data: st.DataObject) -> None:
    """Between the words stands what may be mark-up and may be prose."""
    between = [
        data.draw(st.sampled_from([" ", " $", "$ ", " & ", "% ", " < ", " {", "} ", " \\& ", " -- "])) for _ in words
    ]
    text = "".join(word + gap for word, gap in zip(words, between, strict=True))
    assert re.findall(r"[A-Za-z]{4,9}|[0-9]+", plaintext(text)) == words


@given(st.text(st.characters(exclude_characters="$\\&<~`{", exclude_categories=["Cs"]), max_size=200))
def test_what_is_plain_already_is_not_changed_again(text: str) -> None:
    once = plaintext(text)
    assert plaintext(once) == once


@pytest.mark.parametrize(
    "piece",
    [
        "{",
        "$",
        "\\",
        "$a",
        "\\frac",
        "<a ",
        "^{",
        "\\textbf{",
        "&amp;",
        "``",
        "<i>",
        "\\(",
        "$ ",
        "[~",
        "\\href{",
        "\\sqrt[",
        "\\frac{",
        "\\text{",
        "$\\mbox{$",
        "x^\\text",
        "$a{",
        "{$}",
    ],
)
def test_hostile_repetition_is_read_to_its_end(piece: str) -> None:
    assert isinstance(plaintext(piece * 3000), str)


def test_nesting_is_read_as_deep_as_it_goes() -> None:
    assert "x" in plaintext("$" + "^{" * 600 + "x" + "}" * 600 + "$")
    assert "x" in plaintext("\\textbf{" * 900 + "x" + "}" * 900)


def test_a_text_that_never_ends_is_cut() -> None:
    assert len(plaintext("a" * (LONGEST + 1000))) == LONGEST


def test_real_titles_and_abstracts_keep_their_words(shared_data: Path) -> None:
    for text in islice(_texts(shared_data), 0, None, 9):
        shown = plaintext(text)
        # Outside of commands and formulas, every word must still be there.
        bare = re.sub(r"\$[^$]*\$|\\[A-Za-z]+|\{[^{}]*\}|\S*\\[\"'`^~.=]\S*|https?://\S+|\\.|\[[^\]]*\]", " ", text)
        lost = set(re.findall(r"[A-Za-z]{5,}|\d{2,}", bare)) - set(re.findall(r"[A-Za-z]+|\d+", shown))
        # Letters may have joined: "\textbf{H}ybrid" is one word now.
        assert not [word for word in lost if word not in shown.replace(" ", "")], (text, shown)


def test_awkward_real_titles_show_no_leftovers(shared_data: Path) -> None:
    for line in (shared_data / "arxiv" / "awkward_records.jsonl").read_text(encoding="utf-8").splitlines():
        assert not set(plaintext(json.loads(line)["title"])) & set("\\${}"), line


def _texts(data: Path) -> Iterator[str]:
    with gzip.open(data / "hf" / "daily_papers.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            yield record["title"]
            yield record["summary"]
