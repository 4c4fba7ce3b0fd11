"""Checks whether a message is fit to send."""

from digest.lint.lint import RULES, LintReport, lint
from digest.lint.message import MailKind, ParsedMessage
from digest.lint.tree import Element, parse

__all__ = ["RULES", "Element", "LintReport", "MailKind", "ParsedMessage", "lint", "parse"]
