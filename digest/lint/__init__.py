"""Checks whether a message is fit to send, by its exact bytes.

The rules are in docs/mail-rules.md; they follow RFC 5322, 2045, 2047, 2369, 2919, 3834 and 8058, WCAG 2.2, and the
support of HTML and CSS in 16 email programs. Nothing is fetched.
"""

from dataclasses import dataclass

from digest.lint import appearance, headers, html, links, text, wire
from digest.lint.message import MailKind, ParsedMessage, Rule
from digest.lint.tree import Element, parse

__all__ = ["RULES", "Element", "LintReport", "MailKind", "ParsedMessage", "lint", "parse"]

RULES: tuple[Rule, ...] = tuple(rule for file in (wire, headers, text, html, appearance, links) for rule in file.RULES)


@dataclass(frozen=True, slots=True)
class LintReport:
    """The rules that a message breaks, in the order of RULES, each with its problems."""

    kind: MailKind
    of: int  # rules that apply
    problems: dict[Rule, list[str]]

    @property
    def passed(self) -> int:
        return self.of - len(self.problems)

    @property
    def failed(self) -> list[str]:
        """The ids of the broken rules."""
        return [rule.id for rule in self.problems]


def lint(message: bytes) -> LintReport:
    parsed = ParsedMessage(message)
    applying = [rule for rule in RULES if parsed.kind in rule.kinds and rule.part in parsed.scopes]
    problems = {rule: list(dict.fromkeys(rule.check(parsed))) for rule in applying}
    return LintReport(parsed.kind, len(applying), {rule: texts for rule, texts in problems.items() if texts})
