"""Metrics for Prometheus: measurements.py reads them, families.py gives them names. digest/web serves them."""

from digest.monitoring.metrics.families import families
from digest.monitoring.metrics.measurements import Measurements, measure

__all__ = ["Measurements", "families", "measure"]
