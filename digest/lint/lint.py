"""Is this mail fit to send? The exact bytes of anybody's mail → which rules apply, and what is wrong.

docs/mail-rules.md tells the rules; they follow RFC 5322, 2045, 2047, 2369, 2919, 3834 and 8058, WCAG 2.2, and what 16
mail programs show. Nothing is fetched.
"""

from dataclasses import dataclass

from digest.lint import headers, html, links, looks, text, wire
from digest.lint.message import MailKind, ParsedMessage, Rule

RULES: tuple[Rule, ...] = (
    *wire.RULES,
    *headers.RULES,
    *text.RULES,
    *html.RULES,
    *looks.RULES,
    *links.RULES,
)


@dataclass(frozen=True, slots=True)
class LintReport:
    """What lint() found; `problems` in words by the rule that they break, in the order of RULES."""

    kind: MailKind
    of: int  # rules that apply
    problems: dict[Rule, list[str]]

    @property
    def passed(self) -> int:
        return self.of - len(self.problems)

    @property
    def failed(self) -> list[str]:
        """The ids of the rules that the mail breaks."""
        return [rule.id for rule in self.problems]


def lint(message: bytes) -> LintReport:
    """Judge one mail."""
    mail = ParsedMessage(message)
    applying = [rule for rule in RULES if rule.applies_to(mail)]
    found = {rule: list(dict.fromkeys(rule.check(mail))) for rule in applying}
    return LintReport(mail.kind, len(applying), {rule: problems for rule, problems in found.items() if problems})
