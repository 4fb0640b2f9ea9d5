"""The demo's table: each figure of the run beside what the sandbox's manifest says it must be."""

from collections import defaultdict
from dataclasses import asdict, dataclass
from decimal import Decimal

from .demo_facts import money

# Streams of the connector -> object of the manifest, and the key that says how many are in scope
READ = ("Account", "Contact", "User", "Opportunity", "pse__Proj__c", "pse__Assignment__c", "pse__Milestone__c",
        "pse__Timecard__c", "pse__Expense__c")
# US dollars for one unit; the rates of demo/firm.py
RATES = {"EUR": Decimal("1.08"), "GBP": Decimal("1.27"), "USD": Decimal(1)}
CONTRACTS = "contracts"
KINDS = {"time": "time", "fee": "fees", "milestone": "milestones", "expense": "expenses"}


@dataclass
class Row:
    """One figure: texts as shown; `expected` is empty where the manifest says nothing.

    `converted`: both name amounts in different currencies that are worth the same.
    """

    section: str
    what: str
    actual: str
    expected: str = ""
    converted: bool = False

    @property
    def ok(self):
        return self.converted or not self.expected or self.actual == self.expected


def compare(found, manifest):
    """Rows of the table.

    :param found: what `devkit.demo_facts.facts` returns
    :param manifest: the sandbox's manifest
    """
    return [*read(found, manifest), *applied(found, manifest), *held(found, manifest),
            *billed(found, manifest), *written_back(found, manifest)]


def read(found, manifest):
    counts = defaultdict(int)
    for object_type, _state, _reason, count in found["messages"]:
        counts[object_type] += count
    for name in READ:
        known = manifest["streams"][name]
        # a person at a vendor can be a resource and is then another stream's; templates are not read at all
        yield Row("read", name, number(counts[name] + counts[f"{name}#resource"]),
                  number(known["records"] - known.get("templates", 0)))


def applied(found, manifest):
    counts = defaultdict(int)
    for object_type, state, reason, count in found["messages"]:
        counts[object_type, state] += count
        counts[object_type, reason] += count
    streams = manifest["streams"]
    yield Row("applied", "contracts", number(counts["Opportunity", "done"]),
              number(streams["Opportunity"]["contracts"]))
    for name in ("pse__Proj__c", "pse__Assignment__c"):
        yield Row("applied", name, number(counts[name, "done"]), number(streams[name]["applied"]))
    [[splits, days, hours]] = found["timesheets"]
    known = manifest["time"]["applied"]
    yield Row("applied", "pse__Timecard__c", number(splits), number(known["splits"]))
    yield Row("applied", "days as timesheets", number(days), number(known["days"]))
    yield Row("applied", "hours", f"{money(hours):,}", f"{money(known['hours']):,}")
    for name in ("pse__Milestone__c", "pse__Expense__c"):
        yield Row("applied", name, number(counts[name, "done"]), number(streams[name]["records"]))
    for name in ("pse__Proj__c", "pse__Assignment__c", "pse__Timecard__c"):
        yield Row("applied", f"{name} waiting", number(counts[name, "waiting"]), number(streams[name]["waiting"]))


def held(found, manifest):
    records, amounts = defaultdict(int), defaultdict(lambda: defaultdict(Decimal))
    for cause, _kind, count, amount, currency in found["held"]:
        records[cause] += count
        if money(amount):
            amounts[cause][currency] += money(amount)
    for cause in sorted(records.keys() | manifest["held"].keys()):
        known = manifest["held"].get(cause, {"records": 0, "amounts": {}})
        yield Row("held", f"{cause}: records", number(records[cause]), number(known["records"]))
        wanted = {name: money(amount) for name, amount in known["amounts"].items()}
        row = Row("held", f"{cause}: money at risk", by_currency(amounts[cause]), by_currency(wanted))
        if not row.ok and same_worth(amounts[cause], wanted, records[cause]):
            row.converted = True
        yield row


def billed(found, manifest):
    names = {entity["name"]: code for code, entity in manifest["entities"].items()}
    totals = defaultdict(Decimal)
    for company, kind, amount, _count in found["parts"]:
        totals[names.get(company, company), kind] += money(amount)
    proposals = {names.get(row[0], row[0]): row for row in found["proposals"]}
    invoices = {names.get(row[0], row[0]): row for row in found["invoices"]}
    for code, known in sorted(manifest["companies"].items()):
        row = proposals.get(code, (code, known["currency"], 0, "0", "0", "0", 0))
        for kind, key in KINDS.items():
            yield Row("billed", f"{code} {key}", amount_text(row[1], totals[code, kind]),
                      amount_text(known["currency"], money(known[key])))
        yield Row("billed", f"{code} proposals", number(row[2]), number(known["proposals"]))
        yield Row("billed", f"{code} proposed before tax", amount_text(row[1], money(row[3])),
                  amount_text(known["currency"], money(known["net"])))
        invoice = invoices.get(code, (code, known["currency"], 0, "0", "0", "0"))
        yield Row("billed", f"{code} invoices posted", number(invoice[2]), number(known["proposals"]))
        yield Row("billed", f"{code} invoiced before tax", amount_text(invoice[1], money(invoice[3])),
                  amount_text(known["currency"], money(known["net"])))
        yield Row("billed", f"{code} invoiced with tax", amount_text(invoice[1], money(invoice[5])),
                  amount_text(row[1], money(row[5])))


def written_back(found, manifest):
    for name, expected in sorted(manifest["write_back"].items()):
        if name in found["written_back"]:
            yield Row("written back", name, number(found["written_back"][name]), number(expected))
    states = dict(found["pushes"])
    yield Row("written back", "messages not delivered",
              number(sum(count for state, count in states.items() if state not in ("done", "skipped"))), "0")


def by_contract(found, expected):
    """Rows of the second firm: what each contract was billed, what is held and why.

    :param found: what `devkit.demo_facts.contracts` returns
    :param expected: {contract: (billed, held, reasons)} of demo/money_expected.py
    """
    known = {}
    for name, currency, billed, held, reasons, over in found:
        why = sorted(filter(None, [*(reasons or "").split(","), *(over or "").split(",")]))
        known[name] = contract_text(currency, billed, held, ", ".join(why))
    for name in sorted(known.keys() | expected.keys()):
        wanted = expected.get(name)
        yield Row(CONTRACTS, name, known.get(name, "is missing"),
                  contract_text("USD", *wanted) if wanted else "not expected")


def contract_text(currency, billed, held, why):
    text = f"{amount_text(currency, money(billed))} billed"
    if money(held):
        text += f", {money(held):,.2f} held"
    return f"{text} ({why})" if why else text


def same_worth(ours, theirs, records):
    """Whether amounts in other currencies come to the same at the firm's rates, but for half a cent a record."""
    difference = sum(amount * RATES[name] for name, amount in ours.items()) - sum(
        amount * RATES[name] for name, amount in theirs.items())
    return abs(difference) <= Decimal("0.005") * records * max(RATES.values())


def number(value):
    return f"{value:,}"


def amount_text(currency, amount):
    return f"{currency} {amount:,.2f}"


def by_currency(amounts):
    return ", ".join(amount_text(name, amount) for name, amount in sorted(amounts.items()) if amount) or "none"


def print_table(rows):
    """Print the first firm's figures, the second firm's contracts, and whether all are as they must be."""
    second = [row for row in rows if row.section == CONTRACTS]
    for part in ([row for row in rows if row.section != CONTRACTS], second):
        if part:
            print_rows(part)
            print()
    wrong = sum(not row.ok for row in rows)
    print(f"{len(rows)} figures, {wrong} differ from the manifest" if wrong
          else f"{len(rows)} figures, every one equals the manifest")


def print_rows(rows):
    headers = ("", "", "run", "manifest", "")
    lines = [(row.section, row.what, row.actual, row.expected, "" if row.ok else "DIFFERS") for row in rows]
    widths = [max(len(line[column]) for line in (headers, *lines)) for column in range(5)]
    previous = None
    for line in (headers, *lines):
        section = line[0] if line[0] != previous else ""
        previous = line[0]
        print(f"{section:<{widths[0]}}  {line[1]:<{widths[1]}}  {line[2]:>{widths[2]}}  {line[3]:>{widths[3]}}  "
              f"{line[4]}".rstrip())


def rows_as_json(rows):
    return [asdict(row) | {"ok": row.ok} for row in rows]
