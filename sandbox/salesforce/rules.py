"""What the package and the platform refuse on a write: validation rules, approval locks, constants.

Each rule is a function ``(store, name, before, after)``; ``before`` is None on creation. It raises :class:`ApiError`.
"""

from datetime import date, timedelta

from .errors import ApiError
from .objects_shared import DAYS

SPLIT, HEADER = "pse__Timecard__c", "pse__Timecard_Header__c"
EXPENSE, REPORT = "pse__Expense__c", "pse__Expense_Report__c"
MILESTONE, ADJUSTMENT, EVENT = "pse__Milestone__c", "pse__Miscellaneous_Adjustment__c", "pse__Billing_Event__c"
BUDGET, PROJECT, ASSIGNMENT = "pse__Budget__c", "pse__Proj__c", "pse__Assignment__c"

_BILLED_RECORDS = (SPLIT, EXPENSE, MILESTONE, ADJUSTMENT)


def refuse(message, fields=()):
    """Return the error of a validation rule."""
    return ApiError(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", message, fields)


def _changed(before, after, name):
    return before is not None and before.get(name) != after.get(name)


def check_locked(store, name, before, after=None):
    """Refuse a change of a record that went through its approval process.

    :raise ApiError: ENTITY_IS_LOCKED
    """
    if name in (HEADER, REPORT) and before is not None and before.get("pse__Approved__c"):
        raise ApiError(400, "ENTITY_IS_LOCKED", "the entity is locked for editing", [])


def _invoice_fields(store, name, before, after):
    if name not in (*_BILLED_RECORDS, EVENT):
        return
    if not after.get("pse__Invoiced__c") and (
            after.get("pse__Invoice_Number__c") or after.get("pse__Invoice_Date__c")):
        raise refuse("Invoice Number or Date is not allowed on record unless it is invoiced")


def _billing_order(store, name, before, after):
    if name in _BILLED_RECORDS and after.get("pse__Invoiced__c") and not after.get("pse__Billed__c"):
        raise refuse("A record cannot be invoiced unless it is billed")
    if name in (*_BILLED_RECORDS, HEADER) and after.get("pse__Billed__c") and not (
            after.get("pse__Include_In_Financials__c") and after.get("pse__Approved__c")):
        raise refuse("A record cannot be billed unless it is approved and included in financials")


def _locked_dates(store, name, before, after):
    if name != SPLIT or before is None:
        return
    if before.get("pse__Invoiced__c") and after.get("pse__Invoiced__c") and _changed(
            before, after, "pse__Invoice_Date__c"):
        raise refuse("The invoice date cannot be changed once the timecard is invoiced")
    billed = ("pse__Billed__c", "pse__Invoiced__c")
    if any(before.get(flag) for flag in billed) and any(after.get(flag) for flag in billed) and _changed(
            before, after, "pse__Bill_Date__c"):
        raise refuse("The bill date cannot be changed once the timecard is billed or invoiced")


def _approval(store, name, before, after):
    if name in (HEADER, REPORT) and after.get("pse__Approved__c") and not after.get("pse__Submitted__c"):
        raise refuse("A record cannot be approved unless it is submitted")


def _header(store, name, before, after):
    if name != HEADER:
        return
    if before is not None and (before.get("pse__Billed__c") or before.get("pse__Invoiced__c")):
        raise refuse("A billed or invoiced timecard cannot be changed")
    start, end = (date.fromisoformat(after[f"pse__{word}_Date__c"]) for word in ("Start", "End"))
    if end != start + timedelta(days=6):
        raise refuse("A timecard must span seven days")
    for day in DAYS:
        if after.get(f"pse__{day}_Hours__c", 0) > 24:
            raise refuse("Hours of a day cannot exceed 24", [f"pse__{day}_Hours__c"])
    project = store.tables[PROJECT.lower()].rows.get(after["pse__Project__c"], {})
    assignment = store.tables[ASSIGNMENT.lower()].rows.get(after.get("pse__Assignment__c"))
    person = store.tables["contact"].rows.get(after["pse__Resource__c"], {})
    if assignment is None:
        if not (project.get("pse__Allow_Timecards_Without_Assignment__c")
                or person.get("pse__Allow_Timecards_Without_Assignment__c")):
            raise refuse("An assignment is required on this project")
    elif (assignment["pse__Project__c"], assignment["pse__Resource__c"]) != (
            after["pse__Project__c"], after["pse__Resource__c"]):
        raise refuse("The assignment belongs to another project or resource")
    if after.get("pse__Billable__c") and not (
            project.get("pse__Is_Billable__c") and (assignment is None or assignment.get("pse__Is_Billable__c"))):
        raise refuse("A timecard can be billable only if its project and assignment are")
    if before is None and project.get("pse__Closed_for_Time_Entry__c"):
        raise refuse("The project is closed for time entry")


def _constants(store, name, before, after):
    if before is None:
        return
    if name in (PROJECT, ASSIGNMENT) and _changed(before, after, "CurrencyIsoCode"):
        raise refuse("The currency cannot be changed", ["CurrencyIsoCode"])
    if name == ASSIGNMENT and _changed(before, after, "pse__Project__c"):
        raise refuse("The project cannot be changed", ["pse__Project__c"])
    if name in (HEADER, SPLIT, EXPENSE, REPORT, MILESTONE, BUDGET, ADJUSTMENT):
        override = after.get("pse__Admin_Global_Edit__c") and after.get("pse__Audit_Notes__c")
        for field in ("pse__Project__c", "pse__Resource__c"):
            if _changed(before, after, field) and not override:
                raise refuse("Project and resource cannot be changed without Admin Global Edit", [field])


def _active_project(store, name, before, after):
    if name not in (HEADER, SPLIT, EXPENSE, REPORT, MILESTONE, ADJUSTMENT):
        return
    project = store.tables[PROJECT.lower()].rows.get(after.get("pse__Project__c"))
    if project is not None and not project.get("pse__Is_Active__c"):
        raise refuse("The project is not active")


def _assignment(store, name, before, after):
    if name != ASSIGNMENT:
        return
    project = store.tables[PROJECT.lower()].rows.get(after["pse__Project__c"], {})
    if after.get("pse__Is_Billable__c") and not project.get("pse__Is_Billable__c"):
        raise refuse("A billable assignment needs a billable project")
    if not after.get("pse__Is_Billable__c") and after.get("pse__Bill_Rate__c"):
        raise refuse("A non-billable assignment must have a bill rate of zero", ["pse__Bill_Rate__c"])


_RULES = (check_locked, _invoice_fields, _billing_order, _locked_dates, _approval, _header, _constants, _active_project,
          _assignment)


def check(store, name, before, after):
    """Let every rule look at the write.

    :raise ApiError: FIELD_CUSTOM_VALIDATION_EXCEPTION or ENTITY_IS_LOCKED of the first rule that objects
    """
    for rule in _RULES:
        rule(store, name, before, after)
