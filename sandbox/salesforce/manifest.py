"""What a run on the seeded data must come to, computed from the records alone by plain arithmetic.

This module knows neither how the data were made (no tags, no plan) nor the add-on. It restates the rules of business:

* approved = Approved and Include_In_Financials; a rejected timecard leaves no trace;
* a split whose person, project, contract or assignment is not usable is held or waits as a whole;
* time on time-and-materials contracts is billed by the day: round(hours x rate, 2), the rate being the assignment's,
  else the price of the deal's line that sells the assignment's role;
* time on fixed-price and milestone contracts and on internal projects is recorded and not charged;
* a fixed fee is billed once in full when the deal is won; milestones when approved; expenses at their billing amount.

Amounts are decimal strings, per currency or in the contract's currency.
"""

from collections import defaultdict
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from .firm import (
    BILLING_METHODS,
    ENTITIES,
    EXPENSE_TYPES,
    PAYMENT_TERMS,
    PRODUCTS,
    PROJECT_TEMPLATES,
    QUARTER_END,
    QUARTER_START,
    ROLES,
    TAX_PROFILES,
    UNKNOWN_ROLE,
    UNSOLD_ROLE,
)
from .objects_shared import DAYS

_TERMS = ("Payment_Terms__c", "Legal_Entity__c", "Tax_Profile__c", "Project_Template__c", "Billing_Method__c")
TIME_MATERIAL, FIXED_PRICE, MILESTONE = BILLING_METHODS
#: treatments of a split as a whole that keep it from being applied
HELD = ("unknown_person", "closed_project", "wrong_entity", "currency_mismatch")
WAITING = ("behind_incomplete_deal", "behind_unmapped_role")


def number(value):
    """Return a stored number as Decimal, nothing as zero."""
    return Decimal(repr(value)) if value is not None else Decimal(0)


def to_cents(value):
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


def text(value):
    """Return an amount in Decimal as text with two places."""
    return format(to_cents(value), "f")


def hours_text(value):
    return format(value.quantize(Decimal("0.01")), "f")


def rate_text(value):
    return format(value.quantize(Decimal("0.0001")), "f")


class Sums:
    """Adds up amounts by currency."""

    def __init__(self):
        self._by_currency = defaultdict(Decimal)

    def add(self, currency, amount):
        self._by_currency[currency] += amount

    def as_dict(self):
        return {currency: text(amount) for currency, amount in sorted(self._by_currency.items())}


class Books:
    """The records, read by the rules above.

    :param store: :class:`Store` as seeded
    """

    def __init__(self, store):
        self.rows = {name: {id_: row for id_, row in store.tables[name.lower()].rows.items()
                            if not row.get("IsDeleted")}
                     for name in ("Account", "Contact", "User", "Opportunity", "OpportunityLineItem", "pse__Proj__c",
                                  "pse__Assignment__c", "pse__Milestone__c", "pse__Timecard_Header__c",
                                  "pse__Timecard__c", "pse__Expense__c")}
        self.lines = defaultdict(list)
        for line in self.rows["OpportunityLineItem"].values():
            self.lines[line["OpportunityId"]].append(line)

    # === DEALS AND PROJECTS === #

    def missing_terms(self, deal):
        return [term for term in _TERMS if not deal.get(term)]

    def contracts(self):
        """Return won deals that say all that is needed."""
        return [deal for deal in self.rows["Opportunity"].values()
                if deal.get("IsWon") and not self.missing_terms(deal)]

    def deal_of(self, project):
        return self.rows["Opportunity"].get(project.get("pse__Opportunity__c"))

    def project_state(self, project):
        """Return template, internal, behind_incomplete_deal, closed or open."""
        if project.get("pse__Is_Template__c"):
            return "template"
        deal = self.deal_of(project)
        if deal is None:
            return "internal"
        if self.missing_terms(deal):
            return "behind_incomplete_deal"
        return "closed" if project.get("pse__Closed_for_Time_Entry__c") else "open"

    def role_price(self, deal, role):
        """Return the price of an hour of ``role`` on the deal's lines, or None."""
        prices = [number(line["UnitPrice"]) for line in self.lines[deal["Id"]] if line.get("Role__c") == role]
        return prices[0] if prices else None

    def rate(self, split):
        """Return the price of an hour of this split, or None when there is none."""
        deal = self.deal_of(self.rows["pse__Proj__c"][split["pse__Project__c"]])
        assignment = self.rows["pse__Assignment__c"].get(split.get("pse__Assignment__c"))
        if assignment is None:
            role = self.rows["Contact"][split["pse__Resource__c"]].get("pse__Resource_Role__c")
            return self.role_price(deal, role)
        if assignment.get("pse__Bill_Rate__c") is not None:
            return number(assignment["pse__Bill_Rate__c"])
        return self.role_price(deal, assignment.get("pse__Role__c"))

    # === TIME === #

    def days(self, split):
        """Return ``[(date, Decimal hours), ...]`` of the days that have hours."""
        start = date.fromisoformat(split["pse__Start_Date__c"])
        end = date.fromisoformat(split["pse__End_Date__c"])
        worked = []
        for offset in range((end - start).days + 1):
            day = start + timedelta(days=offset)
            hours = number(split.get(f"pse__{DAYS[(day.weekday() + 1) % 7]}_Hours__c"))
            if hours:
                worked.append((day, hours))
        return worked

    def approved(self, row):
        return bool(row.get("pse__Approved__c") and row.get("pse__Include_In_Financials__c"))

    def blocked(self, row):
        """Return why the source keeps an approved record from billing, or ""."""
        if row.get("pse__Billed__c") or row.get("pse__Invoiced__c"):
            return "billed_at_source"
        if row.get("pse__Exclude_from_Billing__c"):
            return "excluded_at_source"
        return "held_at_source" if row.get("pse__Billing_Hold__c") else ""

    def treatment(self, split):
        """Return what becomes of the split as a whole: rejected, one of HELD, one of WAITING, or applied."""
        if split["pse__Status__c"] == "Rejected":
            return "rejected"
        person = self.rows["Contact"].get(split["pse__Resource__c"])
        if person is None:
            return "unknown_person"
        project = self.rows["pse__Proj__c"][split["pse__Project__c"]]
        state = self.project_state(project)
        if state == "behind_incomplete_deal":
            return state
        assignment = self.rows["pse__Assignment__c"].get(split.get("pse__Assignment__c"))
        if assignment is not None and assignment.get("pse__Role__c") == UNKNOWN_ROLE:
            return "behind_unmapped_role"
        if state == "internal":
            return "applied"
        if state == "closed":
            return "closed_project"
        deal = self.deal_of(project)
        if person.get("Legal_Entity__c") != deal["Legal_Entity__c"]:
            return "wrong_entity"
        if split["CurrencyIsoCode"] != deal["CurrencyIsoCode"]:
            return "currency_mismatch"
        return "applied"

    def charge(self, split):
        """Return how an applied split is charged: billable, not_approved, missing_rate, no_charge, a blocking
        reason, or the kind of work that is recorded only (internal, fixed_price, milestone)."""
        deal = self.deal_of(self.rows["pse__Proj__c"][split["pse__Project__c"]])
        if deal is None:
            return "internal"
        if deal["Billing_Method__c"] != TIME_MATERIAL:
            return "fixed_price" if deal["Billing_Method__c"] == FIXED_PRICE else "milestone"
        if not split.get("pse__Billable__c"):
            return "no_charge"
        if not self.approved(split):
            return "not_approved"
        return self.blocked(split) or ("missing_rate" if self.rate(split) is None else "billable")

    def amount_at_source(self, split):
        return number(split.get("pse__Total_Billable_Amount__c"))


def in_quarter(day):
    return QUARTER_START <= day <= QUARTER_END


def value_maps():
    """Return the source values that value maps must know, by domain, and those that they must not."""
    return {
        "company": [entity.code for entity in ENTITIES], "billing_method": list(BILLING_METHODS),
        "payment_term": list(PAYMENT_TERMS), "tax_profile": list(TAX_PROFILES),
        "project_template": list(PROJECT_TEMPLATES), "role": [*ROLES, UNSOLD_ROLE],
        "expense_category": list(EXPENSE_TYPES), "product": [code for code, _name, _unit in PRODUCTS],
        "unknown": {"role": [UNKNOWN_ROLE]},
    }
