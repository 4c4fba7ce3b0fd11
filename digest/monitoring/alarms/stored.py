"""The alarms that all processes share: one of them announces each problem once, and its end."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, and_, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert

from digest.database.dialect import insert_or_ignore
from digest.database.engine import read_only, transaction
from digest.database.tables import alarms as table
from digest.ledger import events
from digest.monitoring.alarms.alarm import Alarm
from digest.monitoring.checks import Level, Problem

OVER_AFTER = timedelta(minutes=1)  # without the problem, so that one that comes and goes is announced once
_CLAIM = timedelta(minutes=2)  # then another process may announce it
