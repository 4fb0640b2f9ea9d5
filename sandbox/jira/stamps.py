"""Moments as the two vendors write and read them. Stored stamps are whole seconds in UTC."""

from datetime import date, datetime, timedelta, timezone

#: where the studio works: summer time in Germany
LOCAL = timezone(timedelta(hours=2))
#: zone of the integration user's profile, west of Greenwich on purpose: JQL reads texts in it, so that a client that
#: sends UTC texts without stepping back misses hours of changes
PROFILE_ZONE, PROFILE_ZONE_NAME = timezone(timedelta(hours=-4)), "America/New_York"


def whole(moment):
    """Return ``moment`` in UTC without its fraction of a second."""
    return moment.astimezone(timezone.utc).replace(microsecond=0)


def tempo_text(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def jira_text(moment):
    return moment.astimezone(LOCAL).strftime("%Y-%m-%dT%H:%M:%S.000%z")


def milliseconds(moment):
    return int(moment.timestamp()) * 1000


def from_milliseconds(number):
    return datetime.fromtimestamp(number / 1000, timezone.utc)


def read_day(text):
    """Return the date of ``yyyy-MM-dd``. :raise ValueError: anything else"""
    if len(text) != 10:
        raise ValueError(f"not a date: {text}")
    return date.fromisoformat(text)


def read_instant(text):
    """Return the moment of ``yyyy-MM-dd`` (midnight UTC) or ``yyyy-MM-ddTHH:mm:ssZ``. :raise ValueError: other text"""
    if "T" not in text:
        return datetime.combine(read_day(text), datetime.min.time(), timezone.utc)
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


def read_iso(text):
    """Return the moment of any ISO text with a zone. :raise ValueError: other text"""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError(f"no zone: {text}")
    return moment
