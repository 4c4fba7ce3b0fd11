"""The ranking: a pool of papers with their votes over time in, scored papers with the terms of their scores out."""

from digest.papers.ranking.lateness import late_days, lateness_text
from digest.papers.ranking.ranking import FLOOR, FORMULA, RankingWeights, features, rank, rescore
from digest.papers.ranking.track_record import RECORD_DAYS, WEEK_BEST, Past, TrackRecords, track_records

__all__ = [
    "FLOOR",
    "FORMULA",
    "RECORD_DAYS",
    "WEEK_BEST",
    "Past",
    "RankingWeights",
    "TrackRecords",
    "features",
    "late_days",
    "lateness_text",
    "rank",
    "rescore",
    "track_records",
]
