"""Subscribers' profiles, computed from their feedback at each cut."""

from digest.issues.profiles.affinities import keep_profiles
from digest.issues.profiles.profile import affinities, fit_space
from digest.issues.profiles.store import affinities_of, stored_profiles
from digest.issues.profiles.summary import FeedbackSummary, feedback_summary

__all__ = [
    "FeedbackSummary",
    "affinities",
    "affinities_of",
    "feedback_summary",
    "fit_space",
    "keep_profiles",
    "stored_profiles",
]
