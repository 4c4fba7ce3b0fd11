"""Recorded days, replayed with the ranking as it is now."""

from digest.papers.backtest.outcome import ReplayOutcome, outcome
from digest.papers.backtest.recorded import Recorded, read_folder
from digest.papers.backtest.replay import Archive, ReplayedDay, Rules, cut_of, replay

__all__ = ["Archive", "Recorded", "ReplayOutcome", "ReplayedDay", "Rules", "cut_of", "outcome", "read_folder", "replay"]
