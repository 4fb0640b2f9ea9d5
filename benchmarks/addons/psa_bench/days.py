"""The benchmark's timecards, the same for the hub, the rival and the bare create(). Plain Python."""

from datetime import date, timedelta
from decimal import Decimal

FIRST_DAY = date(2026, 1, 1)


def day(number, contracts, people):
    """One approved timecard day as a plain dict, the same for the hub, the rival and the bare create."""
    return {
        "id": f"t{number}", "project": f"p{number % contracts}", "resource": f"r{number % people}",
        "assignment": f"a{number % contracts}-{number % people}",
        "work_date": (FIRST_DAY + timedelta(days=number % 90)).isoformat(),
        "hours": str(Decimal(1 + number % 31) / 4), "description": f"Work item {number}", "billable": True,
        "approved": True, "currency": "USD",
        "source_amount": str((Decimal(1 + number % 31) / 4 * 120).quantize(Decimal("0.01"))),
    }
