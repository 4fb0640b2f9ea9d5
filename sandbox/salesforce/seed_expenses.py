"""Seeds expense reports with their lines."""

from datetime import timedelta
from decimal import Decimal

from .firm import ENTITIES, EXPENSE_TYPES, QUARTER_START
from .world import cents, stamp_on

#: value of one unit of the first currency in the second, as the firm's finance fixed it for the quarter
_RATES = {("USD", "EUR"): "0.92", ("USD", "GBP"): "0.79", ("EUR", "USD"): "1.09", ("EUR", "GBP"): "0.86",
          ("GBP", "USD"): "1.27", ("GBP", "EUR"): "1.17"}


def seed_expenses(world):
    """Seed ``scale.expenses`` lines, one to five a report, by people on the contracts that they work for."""
    rng = world.rng("expenses")
    contracts = [contract for contract in world.contracts if contract.seats]
    left = world.scale.expenses
    number = 0
    while left > 0:
        contract = contracts[number % len(contracts)]
        seat = contract.seats[rng.randrange(len(contract.seats))]
        lines = min(left, rng.randrange(1, 6))
        _add_report(world, rng, contract, seat, number, lines)
        left -= lines
        number += 1


def _add_report(world, rng, contract, seat, number, lines):
    day = QUARTER_START + timedelta(days=rng.randrange(84))
    draw = rng.random()
    status = "Approved" if draw < 0.88 else "Submitted" if draw < 0.95 else "Draft" if draw < 0.98 else "Rejected"
    approved = status == "Approved" or None
    stamp = stamp_on(day + timedelta(days=6), rng)
    flags = {
        "pse__Status__c": status, "pse__Submitted__c": status in ("Submitted", "Approved") or None,
        "pse__Approved__c": approved, "pse__Include_In_Financials__c": approved,
        "pse__Project__c": seat.project_id,
        "pse__Resource__c": seat.person.id, "OwnerId": world.user_ids[1],
    }
    report = world.add("pse__Expense_Report__c", stamp, Name=f"Trip {number + 1}: {contract.name}"[:80],
                       pse__First_Expense_Date__c=day.isoformat(), CurrencyIsoCode=contract.currency,
                       pse__Billable__c=True, **flags)
    for line in range(lines):
        _add_line(world, rng, contract, report, day + timedelta(days=line % 4), flags, stamp)


def _add_line(world, rng, contract, report, day, flags, stamp):
    incurred = contract.currency
    if rng.random() < 0.15:
        incurred = rng.choice([entity.currency for entity in ENTITIES if entity.currency != contract.currency])
    amount = Decimal(rng.randrange(800, 90_000)) / 100
    rate = Decimal(_RATES[incurred, contract.currency]) if incurred != contract.currency else Decimal(1)
    subtotal = cents(amount * rate)
    billable = rng.random() < 0.78 or None
    fee = Decimal(5) if rng.random() < 0.3 else Decimal(0)
    billing = cents(subtotal * (100 + fee) / 100) if billable else None
    number = world.store.tables["pse__expense__c"].count_issued + 1
    world.add(
        "pse__Expense__c", stamp, Name=f"EXP-{20_000 + number}", pse__Expense_Report__c=report,
        pse__Expense_Date__c=day.isoformat(), pse__Type__c=rng.choice(EXPENSE_TYPES), pse__Amount__c=float(amount),
        CurrencyIsoCode=incurred, pse__Billing_Amount__c=float(billing) if billing is not None else None,
        pse__Billing_Currency__c=contract.currency if billable else None,
        pse__Billing_Amount_Pre_Fee_Subtotal__c=float(subtotal) if billable else None,
        pse__Billable_Fee_Percentage__c=float(fee) if billable else None,
        pse__Reimbursement_Amount__c=float(subtotal), pse__Reimbursement_Currency__c=contract.currency,
        pse__Incurred_Tax__c=0.0, pse__Non_Billable_Incurred_Amount__c=0.0, pse__Billable__c=billable,
        pse__Description__c=f"{rng.choice(EXPENSE_TYPES)} for {contract.name}", **flags)
