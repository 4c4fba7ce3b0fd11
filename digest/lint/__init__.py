"""Checks whether a message is fit to send."""

from digest.lint.lint import RULES, LintReport, lint

__all__ = ["RULES", "LintReport", "lint"]
