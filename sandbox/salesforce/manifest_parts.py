"""The parts of the manifest: streams, time, holds, contracts and totals, each from :class:`manifest.Books`."""

from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal

from .firm import ENTITIES, QUARTER_END, QUARTER_START, UNKNOWN_ROLE
from .manifest import (
    FIXED_PRICE,
    HELD,
    WAITING,
    Books,
    Sums,
    hours_text,
    in_quarter,
    number,
    text,
    to_cents,
    value_maps,
)


def build(store, scale, seed):
    """Return the manifest of the seeded store, without the second act."""
    books = Books(store)
    time = _time(books)
    contracts = _contracts(books, time["billable"])
    return {
        "scale": scale, "seed": seed, "period": {"start": QUARTER_START.isoformat(), "end": QUARTER_END.isoformat()},
        "entities": {entity.code: {"currency": entity.currency, "name": entity.name, "country": entity.country_code}
                     for entity in ENTITIES},
        "value_maps": value_maps(),
        "streams": _streams(books, time["treatments"]),
        "time": time["summary"],
        "held": {**time["held"], **_held_master(books)},
        "waiting": {**time["waiting"], **_waiting_master(books)},
        "entries": _entries(books, time),
        "contracts": contracts,
        **_totals(contracts),
        "write_back": _write_back(time, contracts),
        "defects": _defects(books, time),
    }


def _streams(books, treatments):
    rows = books.rows
    resources = sum(1 for row in rows["Contact"].values() if row.get("pse__Is_Resource__c"))
    types = Counter(row.get("Type") for row in rows["Account"].values())
    won = [row for row in rows["Opportunity"].values() if row.get("IsWon")]
    states = Counter(books.project_state(row) for row in rows["pse__Proj__c"].values())
    approved = sum(map(books.approved, rows["pse__Milestone__c"].values()))
    held_time = sum(treatments[name] for name in HELD)
    waiting_time = sum(treatments[name] for name in WAITING)
    waiting_assignments = sum(1 for row in rows["pse__Assignment__c"].values() if _behind_deal(books, row))
    unmapped = sum(1 for row in rows["pse__Assignment__c"].values() if row.get("pse__Role__c") == UNKNOWN_ROLE)
    return {
        "Account": {"records": len(rows["Account"]), "own": types["Internal"], "customers": types["Customer"],
                    "prospects": types["Prospect"], "duplicates": len(duplicates(books))},
        "Contact": {"records": len(rows["Contact"]), "resources": resources,
                    "customer_contacts": len(rows["Contact"]) - resources},
        "User": {"records": len(rows["User"])},
        "Opportunity": {"records": len(rows["Opportunity"]), "won": len(won), "not_won": len(rows["Opportunity"]) -
                        len(won), "contracts": len(books.contracts()), "incomplete": len(won) -
                        len(books.contracts())},
        "pse__Proj__c": {"records": len(rows["pse__Proj__c"]), "templates": states["template"],
                         "internal": states["internal"], "closed": states["closed"],
                         "waiting": states["behind_incomplete_deal"],
                         "applied": states["internal"] + states["closed"] + states["open"]},
        "pse__Assignment__c": {"records": len(rows["pse__Assignment__c"]), "held": unmapped,
                               "waiting": waiting_assignments,
                               "applied": len(rows["pse__Assignment__c"]) - unmapped - waiting_assignments},
        "pse__Milestone__c": {"records": len(rows["pse__Milestone__c"]), "approved": approved,
                              "not_approved": len(rows["pse__Milestone__c"]) - approved},
        "pse__Timecard_Header__c": {"records": len(rows["pse__Timecard_Header__c"])},
        "pse__Timecard__c": {"records": len(rows["pse__Timecard__c"]), "applied": treatments["applied"],
                             "rejected": treatments["rejected"], "held": held_time, "waiting": waiting_time},
        "pse__Expense__c": {"records": len(rows["pse__Expense__c"]),
                            "approved": sum(map(books.approved, rows["pse__Expense__c"].values())),
                            "rejected": sum(1 for row in rows["pse__Expense__c"].values()
                                            if row["pse__Status__c"] == "Rejected")},
    }


def duplicates(books):
    """Return later accounts whose tax number an earlier account has."""
    seen, found = set(), []
    for row in sorted(books.rows["Account"].values(), key=lambda row: (row["SystemModstamp"], row["Id"])):
        vat = row.get("VAT_Number__c")
        if vat and vat in seen:
            found.append(row)
        seen.add(vat)
    return found


def _behind_deal(books, row):
    project = books.rows["pse__Proj__c"][row["pse__Project__c"]]
    return books.project_state(project) == "behind_incomplete_deal"


# === TIME === #


def _time(books):
    treatments, charges, days, hours = Counter(), Counter(), Counter(), defaultdict(Decimal)
    amounts, subjects, held_days = defaultdict(Sums), defaultdict(set), Counter()
    billable = []
    for split in books.rows["pse__Timecard__c"].values():
        treatment, worked = books.treatment(split), books.days(split)
        treatments[treatment] += 1
        days["all"] += len(worked)
        if treatment != "applied":
            held_days[treatment] += len(worked)
            amounts[treatment].add(split["CurrencyIsoCode"], books.amount_at_source(split))
            subjects[treatment].add(_subject(treatment, split))
            continue
        charge = books.charge(split)
        charges[charge] += 1
        days[charge] += len(worked)
        hours[charge] += sum((hour for _day, hour in worked), Decimal(0))
        if charge == "missing_rate":
            amounts[charge].add(split["CurrencyIsoCode"], books.amount_at_source(split))
            subjects[charge].add((split["pse__Project__c"], split["pse__Resource__c"]))
        elif charge == "billable":
            billable += [(split, day, hour, to_cents(hour * books.rate(split))) for day, hour in worked]
    held = {name: {"records": treatments[name], "days": held_days[name], "subjects": len(subjects[name]),
                   "amounts": amounts[name].as_dict()} for name in HELD}
    held["missing_rate"] = {"records": charges["missing_rate"], "days": days["missing_rate"],
                            "subjects": len(subjects["missing_rate"]), "amounts": amounts["missing_rate"].as_dict()}
    waiting = {name: {"timecards": treatments[name], "days": held_days[name], "amounts": amounts[name].as_dict()}
               for name in WAITING}
    applied = sum(count for name, count in days.items() if name != "all")
    summary = {
        "splits": sum(treatments.values()), "days": days["all"], "rejected_splits": treatments["rejected"],
        "rejected_days": held_days["rejected"],
        "applied": {"splits": treatments["applied"], "days": applied,
                    "hours": hours_text(sum(hours.values(), Decimal(0)))},
        "by_charge": {name: {"splits": charges[name], "days": days[name], "hours": hours_text(hours[name])}
                      for name in sorted(charges)},
    }
    return {"treatments": treatments, "summary": summary, "held": held, "waiting": waiting, "billable": billable}


def _subject(treatment, split):
    return split["pse__Resource__c"] if treatment == "unknown_person" else split["pse__Project__c"]


# === MASTER DATA THAT IS HELD OR WAITS === #


def _held_master(books):
    incomplete, behind = Sums(), [deal for deal in books.rows["Opportunity"].values()
                                  if deal.get("IsWon") and books.missing_terms(deal)]
    for deal in behind:
        incomplete.add(deal["CurrencyIsoCode"], number(deal["Amount"]))
    unmapped = [row for row in books.rows["pse__Assignment__c"].values() if row.get("pse__Role__c") == UNKNOWN_ROLE]
    return {
        "incomplete_terms": {"records": len(behind), "amounts": incomplete.as_dict(),
                             "missing": {deal["Name"]: books.missing_terms(deal) for deal in behind}},
        "duplicate_party": {"records": len(duplicates(books)), "amounts": {}},
        "unmapped_value": {"records": len(unmapped), "values": 1 if unmapped else 0, "amounts": {}},
    }


def _waiting_master(books):
    return {
        "projects_behind_incomplete_deal": sum(
            1 for row in books.rows["pse__Proj__c"].values() if books.project_state(row) == "behind_incomplete_deal"),
        "assignments_behind_incomplete_deal": sum(
            1 for row in books.rows["pse__Assignment__c"].values() if _behind_deal(books, row)),
    }


# === WHAT IS BILLED === #


def _expenses(books):
    """Return ``[(deal, row, charge), ...]`` of the expenses that are not rejected."""
    found = []
    for row in books.rows["pse__Expense__c"].values():
        if row["pse__Status__c"] == "Rejected":
            continue
        deal = books.deal_of(books.rows["pse__Proj__c"][row["pse__Project__c"]])
        charge = "no_charge" if not row.get("pse__Billable__c") else "not_approved" if not books.approved(
            row) else books.blocked(row) or "billable"
        found.append((deal, row, charge))
    return found


def _milestones(books):
    """Return ``[(deal, row, charge), ...]`` of the milestones."""
    return [(books.deal_of(books.rows["pse__Proj__c"][row["pse__Project__c"]]), row,
             (books.blocked(row) or "billable") if books.approved(row) else "not_approved")
            for row in books.rows["pse__Milestone__c"].values()]


def _entries(books, time):
    by_charge = time["summary"]["by_charge"]
    fees = sum(len(books.lines[deal["Id"]]) for deal in books.contracts()
               if deal["Billing_Method__c"] == FIXED_PRICE)
    recorded = ("internal", "fixed_price", "milestone")
    return {
        "time": {name: values["days"] for name, values in by_charge.items() if name not in recorded},
        "time_recorded_only": {name: by_charge[name]["days"] for name in recorded if name in by_charge},
        "expense": dict(Counter(charge for _deal, _row, charge in _expenses(books))),
        "milestone": dict(Counter(charge for _deal, _row, charge in _milestones(books))),
        "fee": {"billable": fees},
    }


def _contracts(books, billable):
    """Return what each contract's proposal for the quarter must come to."""
    time, later = defaultdict(list), defaultdict(Decimal)
    for split, day, hours, amount in billable:
        deal = books.rows["pse__Proj__c"][split["pse__Project__c"]]["pse__Opportunity__c"]
        if in_quarter(day):
            time[deal].append((hours, amount))
        else:
            later[deal] += amount
    expenses, milestones = defaultdict(list), defaultdict(list)
    for deal, row, charge in _expenses(books):
        if charge == "billable" and in_quarter(date.fromisoformat(row["pse__Expense_Date__c"])):
            expenses[deal["Id"]].append(number(row["pse__Billing_Amount__c"]))
    for deal, row, charge in _milestones(books):
        if charge == "billable" and in_quarter(date.fromisoformat(row["pse__Actual_Date__c"])):
            milestones[deal["Id"]].append(number(row["pse__Milestone_Amount__c"]))
    result = []
    for deal in sorted(books.contracts(), key=lambda deal: deal["Id"]):
        key = deal["Id"]
        fee_lines = [number(line["TotalPrice"]) for line in books.lines[key]
                     ] if deal["Billing_Method__c"] == FIXED_PRICE else []
        parts = {
            "time": sum((amount for _hours, amount in time[key]), Decimal(0)),
            "expenses": sum(expenses[key], Decimal(0)), "milestones": sum(milestones[key], Decimal(0)),
            "fees": sum(fee_lines, Decimal(0)),
        }
        result.append({
            "opportunity": key, "name": deal["Name"], "account": deal["AccountId"],
            "legal_entity": deal["Legal_Entity__c"], "currency": deal["CurrencyIsoCode"],
            "billing_method": deal["Billing_Method__c"], "payment_terms": deal["Payment_Terms__c"],
            "tax_profile": deal["Tax_Profile__c"], "purchase_order": deal.get("PO_Number__c"),
            "amount": text(number(deal["Amount"])),
            "time_entries": len(time[key]), "expense_entries": len(expenses[key]),
            "milestone_entries": len(milestones[key]), "fee_entries": len(fee_lines),
            "time_hours": hours_text(sum((hours for hours, _amount in time[key]), Decimal(0))),
            **{name: text(amount) for name, amount in parts.items()},
            "net": text(sum(parts.values())), "after_the_quarter": text(later[key]),
        })
    return result


def _write_back(time, contracts):
    """Return how many records of each object carry an invoice number once all proposals are posted."""
    splits = {split["Id"] for split, day, _hours, _amount in time["billable"] if in_quarter(day)}
    return {
        "pse__Timecard__c": len(splits),
        "pse__Expense__c": sum(contract["expense_entries"] for contract in contracts),
        "pse__Milestone__c": sum(contract["milestone_entries"] for contract in contracts),
        "Opportunity": sum(1 for contract in contracts if Decimal(contract["net"])),
    }


def _totals(contracts):
    """Return totals per legal entity, and how many proposals and invoices there will be."""
    companies = {}
    for entity in ENTITIES:
        own = [contract for contract in contracts if contract["legal_entity"] == entity.code]
        billed = [contract for contract in own if Decimal(contract["net"])]
        companies[entity.code] = {
            "currency": entity.currency, "contracts": len(own), "proposals": len(billed),
            **{name: text(sum((Decimal(contract[name]) for contract in own), Decimal("0.00")))
               for name in ("time", "expenses", "milestones", "fees", "net")},
        }
    proposals = sum(company["proposals"] for company in companies.values())
    return {"companies": companies, "proposals": proposals, "invoices": proposals}


# === DEFECTS === #


def _defects(books, time):
    """Return how many records show each defect of the first act; the second act adds its own four kinds."""
    held, waiting, master = time["held"], time["waiting"], _held_master(books)
    stamps = Counter(split["SystemModstamp"] for split in books.rows["pse__Timecard__c"].values())
    tie, tied = stamps.most_common(1)[0]
    return {
        "unknown_person": held["unknown_person"]["records"],
        "closed_project": held["closed_project"]["records"],
        "missing_rate": held["missing_rate"]["records"],
        "duplicate_account": master["duplicate_party"]["records"],
        "wrong_entity": held["wrong_entity"]["records"],
        "currency_mismatch": held["currency_mismatch"]["records"],
        "unmapped_role": master["unmapped_value"]["records"],
        "unmapped_role_timecards": waiting["behind_unmapped_role"]["timecards"],
        "incomplete_terms": master["incomplete_terms"]["records"],
        "back_dated": sum(1 for split in books.rows["pse__Timecard__c"].values() if _is_back_dated(books, split)),
        "same_second_ties": tied, "same_second": tie,
    }


def _is_back_dated(books, split):
    """Return whether the work was entered 45 days or more after it was done."""
    last_day = books.days(split)[-1][0]
    return (date.fromisoformat(split["CreatedDate"][:10]) - last_day).days >= 45
