"""Time zones by what people call them: cities and countries in English and Chinese, Windows' names, and offsets."""

import difflib
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo, available_timezones

from babel import Locale
from babel.core import get_global

_REGIONS = ("Africa/", "America/", "Antarctica/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
_LOCALES = ("en", "zh")
_TIME = re.compile(r"(.+?)(?: standard)? time|(.+?)(?:标准)?时间")
_OFFSET = re.compile(r"(?:(?:utc|gmt)[ _]?)?([+−–-])(\d{1,2})(?::?([0-5]\d))?")
_BESIDE = re.compile(r"\([^()]*\)")  # "Berlin (UTC+1)"
_NO_DATA = {"北京": "Asia/Shanghai"}  # neither CLDR nor the zones' own tables have it
_MOST = 3  # suggestions
_OFFSETS = timedelta(hours=-12), timedelta(hours=14)  # of the fixed zones Etc/GMT+12 to Etc/GMT-14


def known_zone(text: str) -> str | None:
    """The IANA name that was meant by, say, "europe/berlin", "new york", "Beijing", "德国" or "UTC+8"; else None."""
    if text in _names():  # as browsers say it; the table takes a moment to build
        return text
    name = _folded(_BESIDE.sub("", text[:100]))
    if zone := _zones().get(name) or _zones().get(next(filter(None, _time_of(name)), "")):
        return zone
    offset = _offset(name)
    if offset is None or not _OFFSETS[0] <= offset <= _OFFSETS[1] or offset % timedelta(hours=1):
        return None
    hours = offset // timedelta(hours=1)
    return f"Etc/GMT{-hours:+d}" if hours else "UTC"  # POSIX counts these westwards


def shown_zone(zone: str) -> str:
    """A zone's name for people: "UTC+8" for Etc/GMT-8, whose sign misleads."""
    return f"UTC{-int(zone[7:]):+d}" if re.fullmatch(r"Etc/GMT[+-]\d+", zone) else zone


def close_zones(text: str, now: datetime) -> list[str]:
    """A few zones that may have been meant by a text that names none."""
    name, zones = _folded(_BESIDE.sub("", text[:100])), _zones()
    if (offset := _offset(name)) is not None:
        cities = sorted(zone for zone in set(zones.values()) if zone.startswith(_REGIONS))
        return [zone for zone in cities if now.astimezone(ZoneInfo(zone)).utcoffset() == offset][:_MOST]
    return list(dict.fromkeys(zones[near] for near in difflib.get_close_matches(name, zones, n=_MOST, cutoff=0.7)))


def _offset(name: str) -> timedelta | None:
    match = _OFFSET.fullmatch(name)
    if match is None:
        return None
    offset = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
    return offset if match[1] == "+" else -offset


def _folded(text: str) -> str:
    return " ".join(text.casefold().replace("_", " ").split())


def _time_of(name: str) -> tuple[str, ...]:
    """Of "Beijing time" and "中国标准时间", the place."""
    match = _TIME.fullmatch(name)
    return match.groups("") if match else ()


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones() - {"localtime", "Factory"})


@cache
def _zones() -> dict[str, str]:
    """Zones by folded name. Of two with one name, that of the more certain table wins: the last."""
    names = sorted(_names())
    cities = {name.rpartition("/")[2]: name for name in names if name.startswith(_REGIONS)}
    tables = (_of_countries(), _of_windows(), _of_comments(), _of_cities(), cities.items(), ((n, n) for n in names))
    found = {_folded(text): zone for table in tables for text, zone in table if zone in _names()}
    return _NO_DATA | found


def _of_countries() -> Iterator[tuple[str, str]]:
    """Countries with one time, by the zone that CLDR has first."""
    for code, zones in get_global("territory_zones").items():
        if "Etc/Unknown" in zones:
            continue
        year = [{datetime(2026, month, 1, tzinfo=ZoneInfo(zone)).utcoffset() for zone in zones} for month in (1, 7)]
        if zones and all(len(offsets) == 1 for offsets in year):
            yield from ((Locale(language).territories.get(code, code), zones[0]) for language in _LOCALES)


def _of_windows() -> Iterator[tuple[str, str]]:
    """ "Pacific Standard Time", "Pacific", and what CLDR calls the same in other languages."""
    zones = get_global("windows_zone_mapping")
    for name, zone in zones.items():
        yield from ((text, zone) for text in (name, *_time_of(name.casefold())) if text)
    for key, names in Locale("en").meta_zones.items():
        zone = zones.get(names.get("long", {}).get("standard", ""), "")
        for language in _LOCALES:
            standard = Locale(language).meta_zones.get(key, {}).get("long", {}).get("standard", "")
            yield from ((text, zone) for text in (standard, *_time_of(standard.casefold())) if text)


def _of_comments() -> Iterator[tuple[str, str]]:
    """The places in the comments of the zones' own table, such as "Beijing Time"."""
    for line in (files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8").splitlines():
        columns = line.split("\t")
        if len(columns) == 4 and not line.startswith("#"):
            yield from ((text, columns[2]) for text in _time_of(columns[3].casefold()) if text)


def _of_cities() -> Iterator[tuple[str, str]]:
    for language in _LOCALES:
        for zone, names in Locale(language).time_zones.items():
            if city := names.get("city"):
                yield city, zone
