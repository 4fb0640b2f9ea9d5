"""How rows look: entries of time and expenses with the names of what they belong to.

What a row has of other rows is shared between rows and never changed in place.
"""

from datetime import datetime, timedelta, timezone
from functools import cache

from .. import studio
from .store import stamp

PLAIN_FROM = 10_000_000
#: people give their time in the working day of the company's time zone; stamps are UTC
_EVENING = timedelta(hours=17, minutes=30)
_LOCKED = "Item Approved and Locked for this Time Period"
TASKS = ("Concept", "Build", "Launch")
CATEGORIES = ("Transportation", "Lodging", "Meals")


def evening(day):
    return datetime(day.year, day.month, day.day, tzinfo=timezone.utc) + _EVENING


@cache
def named_client(customer):
    return {"id": customer.harvest_id, "name": customer.harvest_name or customer.name, "currency": studio.CURRENCY}


@cache
def project_id(code):
    return 300 + studio.deal(code).number


@cache
def named_project(code):
    return {"id": project_id(code), "name": studio.deal(code).name, "code": code}


@cache
def named_user(email):
    person = studio.person(email)
    return {"id": person.harvest_id, "name": person.name}


@cache
def assignment_id(code, email):
    return project_id(code) * 10_000 + studio.person(email).harvest_id


@cache
def rate(code, email):
    """Return the price of an hour that Harvest has for a person on a project."""
    prices = {line.role: line.price for line in studio.deal(code).lines if line.method == "time"}
    return float(prices.get(studio.person(email).role, 100))


def approval(status):
    """Return the fields that follow from ``unsubmitted``, ``submitted`` or ``approved``."""
    approved = status == "approved"
    return {"approval_status": status, "is_closed": approved, "is_locked": approved,
            "locked_reason": _LOCKED if approved else None}


def _shared(id_, code, email, day, billable, status, moment):
    made = stamp(moment or evening(day))
    return {
        "id": id_, "spent_date": day.isoformat(), "user": named_user(email), "project": named_project(code),
        "client": named_client(studio.customer(studio.deal(code).customer)), "billable": billable,
        "is_billed": False, "invoice": None, "created_at": made, "updated_at": made, **approval(status)}


def time_entry(id_, code, email, day, hours, note, task, billable=True, status="approved", moment=None, **fields):
    """Return an entry of time.

    :param hours: what is billed; what was worked can be a minute less, which the account's rounding makes up for
    """
    worked = float(hours) - (0.02 if id_ % 5 == 0 else 0)
    task_id = 801 + TASKS.index(task)
    return {
        **_shared(id_, code, email, day, billable, status, moment), "task": {"id": task_id, "name": task},
        "hours": round(worked, 2), "hours_without_timer": round(worked, 2), "rounded_hours": float(hours),
        "notes": note, "is_running": False, "timer_started_at": None, "started_time": None, "ended_time": None,
        "budgeted": True, "billable_rate": rate(code, email) if billable else None,
        "cost_rate": float(studio.person(email).cost), "external_reference": None,
        "user_assignment": {"id": assignment_id(code, email), "is_active": True, "hourly_rate": rate(code, email)},
        "task_assignment": {"id": project_id(code) * 1000 + task_id, "billable": True, "is_active": True,
                            "hourly_rate": None},
        **fields}


def expense(id_, code, email, day, amount, category, note, billable=True, status="approved", moment=None):
    return {
        **_shared(id_, code, email, day, billable, status, moment), "total_cost": float(amount), "units": 1.0,
        "notes": note,
        "expense_category": {"id": 4 + CATEGORIES.index(category), "name": category, "unit_price": None,
                             "unit_name": None},
        "user_assignment": {"id": assignment_id(code, email), "is_active": True, "hourly_rate": rate(code, email)},
        "receipt": {"url": None, "file_name": None, "file_size": None, "content_type": None}}


def plain_entry(id_):
    """Return entry of time number ``id_ - PLAIN_FROM`` of those that are there for load only."""
    number = id_ - PLAIN_FROM
    day = studio.PERIOD[0] - timedelta(days=1 + number % 365)
    return time_entry(id_, "BIRK", (studio.LENA, studio.SOFIA)[number % 2], day, (number % 8) + 1,
                      f"Plain work {number}", TASKS[number % 3])
