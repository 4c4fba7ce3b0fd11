"""Subscribers' profiles, computed from their feedback in the background, and their affinities to the papers of a pool.

Nothing here imports numpy before someone has given feedback.
"""

import os

from digest.issues.profiles.profile import Neighbour, affinities, fit_space
from digest.issues.profiles.refresh import place_papers, refresh_profiles, renew_space
from digest.issues.profiles.store import Profile, is_kept, profiles_of, ready_space, stored_profiles
from digest.issues.profiles.summary import FeedbackSummary, feedback_summary
from digest.issues.profiles.tastes import affinities_of, stored_affinities

# Read when numpy is loaded. More threads than one would take the cores of the other workers, and wait spinning.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__all__ = [
    "FeedbackSummary",
    "Neighbour",
    "Profile",
    "affinities",
    "affinities_of",
    "feedback_summary",
    "fit_space",
    "is_kept",
    "place_papers",
    "profiles_of",
    "ready_space",
    "refresh_profiles",
    "renew_space",
    "stored_affinities",
    "stored_profiles",
]
