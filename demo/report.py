"""What the flow did, counted in Odoo's tables, beside what the stand-in's manifest says it should be.

Each row is ``{"section", "name", "value", "expected", "ok"}``; values are whole numbers or amounts as decimal text.
Money at risk is kept in the company's currency, so the manifest's amounts are converted with the example firm's rates,
and half a cent of rounding is allowed for each record.
"""

from decimal import Decimal

from .firm import RATES

CENT = Decimal("0.01")


def rows(env, manifest, written=None):
    """Return all rows of the table.

    :param written: what the stand-in's ``/_sandbox/written`` says, or None before anything was written back
    """
    table = Table()
    _read(env, manifest, table)
    _applied(env, manifest, table)
    _held(env, manifest, table)
    _entries(env, manifest, table)
    _proposals(env, manifest, table)
    _invoices(env, manifest, table)
    if written is not None:
        _written_back(env, written, table)
    return table.rows


class Table:
    def __init__(self):
        self.rows = []

    def count(self, section, name, value, expected):
        self.rows.append({"section": section, "name": name, "value": value, "expected": expected,
                          "ok": value == expected})

    def money(self, section, name, value, expected, tolerance=Decimal(0)):
        value, expected = (Decimal(str(number or 0)).quantize(CENT) for number in (value, expected))
        self.rows.append({"section": section, "name": name, "value": str(value), "expected": str(expected),
                          "ok": abs(value - expected) <= tolerance})


def _ask(env, statement, *values):
    env.flush_all()
    env.cr.execute(statement, values)
    return env.cr.fetchall()


def _read(env, manifest, table):
    streams = manifest["streams"]
    expected = {
        "Account": streams["Account"]["records"],
        "Contact": streams["Contact"]["customer_contacts"],
        "Contact#resource": streams["Contact"]["resources"],
        "User": streams["User"]["records"],
        "Opportunity": streams["Opportunity"]["records"],
        "pse__Proj__c": streams["pse__Proj__c"]["records"] - streams["pse__Proj__c"]["templates"],
        "pse__Assignment__c": streams["pse__Assignment__c"]["records"],
        "pse__Milestone__c": streams["pse__Milestone__c"]["records"],
        "pse__Timecard__c": streams["pse__Timecard__c"]["records"],
        "pse__Expense__c": streams["pse__Expense__c"]["records"],
    }
    read = dict(_ask(env, """
        SELECT object_type, COUNT(DISTINCT external_id) FROM psa_message
         WHERE direction = 'in' AND origin IN ('pull', 'backfill') AND operation <> 'delete'
      GROUP BY object_type"""))
    for name, number in expected.items():
        table.count("read", name, read.get(name, 0), number)
    [(inputs, ended)] = _ask(env, """
        SELECT COUNT(*), COUNT(*) FILTER (WHERE state IN ('done', 'held', 'waiting', 'skipped', 'dead', 'retry'))
          FROM psa_message""")
    table.count("read", "messages in exactly one state", ended, inputs)


def _applied(env, manifest, table):
    time = manifest["time"]
    [(days, hours)] = _ask(env, """
        SELECT COUNT(*), SUM(line.unit_amount::numeric) FROM psa_binding binding
          JOIN account_analytic_line line ON line.id = binding.res_id
         WHERE binding.res_model = 'account.analytic.line' AND binding.alias_of_id IS NULL""")
    table.count("applied", "timesheet lines", days, time["applied"]["days"])
    table.money("applied", "hours", hours, time["applied"]["hours"])
    bound = dict(_ask(env, """
        SELECT object_type, COUNT(*) FROM psa_binding WHERE res_id IS NOT NULL AND alias_of_id IS NULL
      GROUP BY object_type"""))
    streams = manifest["streams"]
    table.count("applied", "contracts", bound.get("Opportunity", 0), streams["Opportunity"]["contracts"])
    table.count("applied", "projects", bound.get("pse__Proj__c", 0), streams["pse__Proj__c"]["applied"])
    table.count("applied", "assignments", bound.get("pse__Assignment__c", 0), streams["pse__Assignment__c"]["applied"])


def _held(env, manifest, table):
    money = {code: Decimal(0) for code in manifest["held"]}
    found = {}
    for cause, company_id, records, amount in _ask(env, """
            SELECT cause, company_id, SUM(records), SUM(amount) FROM (
                SELECT exception.cause_code AS cause, message.company_id, COUNT(*) AS records,
                       SUM(message.risk_amount) AS amount
                  FROM psa_message message JOIN psa_exception exception ON exception.id = message.exception_id
                 WHERE message.state = 'held' GROUP BY 1, 2
                UNION ALL
                SELECT exception.cause_code, entry.company_id, COUNT(*), SUM(entry.risk_amount)
                  FROM psa_entry entry JOIN psa_exception exception ON exception.id = entry.exception_id
                 WHERE entry.state = 'held' GROUP BY 1, 2) holder
          GROUP BY 1, 2"""):
        found[cause] = found.get(cause, 0) + int(records)
        money[cause] = money.get(cause, Decimal(0)) + _dollars(env, amount, company_id)
    for cause, expected in sorted(manifest["held"].items()):
        records = int(expected["records"])
        table.count("held", f"{cause}: records", found.get(cause, 0), records)
        table.money("held", f"{cause}: money at risk (USD)", money[cause], _in_dollars(expected["amounts"]),
                    tolerance=Decimal("0.01") * max(records, 1))
    for cause in sorted(set(found) - set(manifest["held"])):
        table.count("held", f"{cause}: records", found[cause], 0)
    waiting = {key: value for key, value in manifest["waiting"].items() if isinstance(value, dict)}
    number, = _ask(env, """
        SELECT COUNT(*), SUM(risk_amount) FROM psa_message
         WHERE state = 'waiting' AND object_type = 'pse__Timecard__c'""")
    table.count("waiting", "timecards behind a held record", number[0],
                sum(value["timecards"] for value in waiting.values()))
    amounts = [(row[0], row[1]) for row in _ask(env, """
        SELECT company_id, SUM(risk_amount) FROM psa_message
         WHERE state = 'waiting' AND object_type = 'pse__Timecard__c' GROUP BY company_id""")]
    table.money("waiting", "their money at risk (USD)", sum(
        (_dollars(env, amount, company_id) for company_id, amount in amounts), Decimal(0)),
        sum((_in_dollars(value["amounts"]) for value in waiting.values()), Decimal(0)),
        tolerance=Decimal("0.01") * max(number[0], 1))


def _entries(env, manifest, table):
    found = dict(_ask(env, "SELECT kind, COUNT(*) FROM psa_entry WHERE state = 'approved' GROUP BY kind"))
    for kind in ("time", "expense", "milestone", "fee"):
        table.count("entries", f"{kind}, billable", found.get(kind, 0), manifest["entries"][kind]["billable"])


def _proposals(env, manifest, table):
    start, end = manifest["period"]["start"], manifest["period"]["end"]
    found = {row[0]: row[1:] for row in _ask(env, """
        SELECT company.name, COUNT(*), SUM(proposal.amount_untaxed)
          FROM psa_proposal proposal JOIN res_company company ON company.id = proposal.company_id
         WHERE proposal.state <> 'cancelled' AND proposal.period_start = %s AND proposal.period_end = %s
           AND proposal.amount_untaxed <> 0
      GROUP BY 1""", start, end)}
    for code, company in sorted(manifest["companies"].items()):
        count, net = found.get(manifest["entities"][code]["name"], (0, 0))
        table.count("proposals", f"{code}: proposals", count, company["proposals"])
        table.money("proposals", f"{code}: net ({company['currency']})", net, company["net"])


def _invoices(env, manifest, table):
    found = {row[0]: row[1:] for row in _ask(env, """
        SELECT company.name, COUNT(*), SUM(move.amount_untaxed)
          FROM account_move move JOIN res_company company ON company.id = move.company_id
         WHERE move.state = 'posted' AND move.move_type = 'out_invoice'
           AND move.id IN (SELECT move_id FROM psa_proposal WHERE state = 'invoiced')
      GROUP BY 1""")}
    for code, company in sorted(manifest["companies"].items()):
        count, net = found.get(manifest["entities"][code]["name"], (0, 0))
        table.count("invoices", f"{code}: posted", count, company["proposals"])
        table.money("invoices", f"{code}: net ({company['currency']})", net, company["net"])


def _written_back(env, written, table):
    """What stands at the source now, beside what the ledger says is on a posted invoice."""
    billed = dict(_ask(env, """
        SELECT split_part(binding.object_type, '#', 1), COUNT(DISTINCT split_part(binding.external_id, ':', 1))
          FROM psa_entry entry
          JOIN psa_binding binding
            ON (binding.res_model = 'account.analytic.line' AND binding.res_id = entry.analytic_line_id)
            OR (binding.res_model = 'project.milestone' AND binding.res_id = entry.milestone_id)
            OR (binding.res_model = 'hr.expense' AND binding.res_id = entry.expense_id)
         WHERE entry.billing_state = 'billed' GROUP BY 1"""))
    for name in ("pse__Timecard__c", "pse__Expense__c", "pse__Milestone__c"):
        table.count("written back", name, written[name]["invoiced"], billed.get(name, 0))
    [(contracts,)] = _ask(env, "SELECT COUNT(DISTINCT order_id) FROM psa_proposal WHERE state = 'invoiced'")
    table.count("written back", "Opportunity", written["Opportunity"]["invoiced"], contracts)
    [(failed,)] = _ask(env, "SELECT COUNT(*) FROM psa_message WHERE direction = 'out' AND state NOT IN "
                            "('done', 'skipped')")
    table.count("written back", "still to be written", failed, 0)


def _in_dollars(amounts):
    return sum((Decimal(amount) * Decimal(str(RATES[currency])) for currency, amount in amounts.items()), Decimal(0))


def _dollars(env, amount, company_id):
    currency = env["res.company"].browse(company_id).currency_id.name
    return Decimal(str(amount or 0)) * Decimal(str(RATES[currency]))
