"""What the demo's run came to: read from Odoo's tables, and from the vendor's side of the write-back.

Nothing here asks the add-on's code, so that the table checks it.
"""

import json
import urllib.parse
import urllib.request
from decimal import Decimal

from .sql import run_sql

HTTP_SECONDS = 60

# Every message row, by what became of it
MESSAGES = """
    SELECT m.object_type, m.state, coalesce(m.skip_reason, ''), count(*)
    FROM psa_message m WHERE m.direction = 'in' AND m.operation = 'upsert'
    GROUP BY 1, 2, 3"""
# What waits behind each open exception; money in the currency of the company it belongs to
HELD = """
    SELECT c.code, held.kind, count(*), coalesce(sum(held.risk_amount), 0)::text, cur.name
    FROM (
        SELECT exception_id, 'message' AS kind, risk_amount, company_id FROM psa_message
        WHERE exception_id IS NOT NULL AND state IN ('held', 'waiting', 'dead')
        UNION ALL
        SELECT exception_id, 'entry', risk_amount, company_id FROM psa_entry WHERE exception_id IS NOT NULL
    ) held
    JOIN psa_exception x ON x.id = held.exception_id
    JOIN psa_exception_cause c ON c.id = x.cause_id
    JOIN res_company k ON k.id = held.company_id
    JOIN res_currency cur ON cur.id = k.currency_id
    WHERE x.state NOT IN ('resolved', 'waived')
    GROUP BY 1, 2, 5"""
# A timecard is split into days, each bound to a timesheet: <timecard id>:<date>
TIMESHEETS = """
    SELECT count(DISTINCT split_part(b.external_id, ':', 1)), count(*), coalesce(sum(l.unit_amount), 0)::numeric(20, 2)
    FROM psa_binding b JOIN account_analytic_line l ON l.id = b.res_id
    WHERE b.object_type = 'pse__Timecard__c#day' AND b.res_model = 'account.analytic.line'"""
PROPOSALS = """
    SELECT k.name, cur.name, count(DISTINCT p.id), sum(p.amount_untaxed)::text, sum(p.amount_tax)::text,
           sum(p.amount_total)::text,
           sum((SELECT count(*) FROM psa_proposal_move_rel r WHERE r.proposal_id = p.id))::int
    FROM psa_proposal p JOIN res_company k ON k.id = p.company_id JOIN res_currency cur ON cur.id = p.currency_id
    WHERE p.state = 'invoiced' GROUP BY 1, 2"""
PARTS = """
    SELECT k.name, e.kind, sum(l.amount)::text, count(*)
    FROM psa_proposal_line l
    JOIN psa_proposal p ON p.id = l.proposal_id
    JOIN psa_entry e ON e.id = l.entry_id
    JOIN res_company k ON k.id = p.company_id
    WHERE p.state = 'invoiced' AND l.decision = 'in' GROUP BY 1, 2"""
INVOICES = """
    SELECT k.name, cur.name, count(*), sum(m.amount_untaxed)::text, sum(m.amount_tax)::text, sum(m.amount_total)::text
    FROM account_move m JOIN res_company k ON k.id = m.company_id JOIN res_currency cur ON cur.id = m.currency_id
    WHERE m.state = 'posted' AND m.move_type = 'out_invoice' GROUP BY 1, 2"""
PUSHES = """
    SELECT m.state, count(*) FROM psa_message m WHERE m.direction = 'out' GROUP BY 1"""
# Each contract of the second firm, from the ledger alone
CONTRACTS = """
    SELECT p.name || ': ' || o.origin, cur.name,
           coalesce(sum(e.allocated_amount), 0)::text,
           coalesce(sum(CASE WHEN e.state IN ('waiting', 'held') THEN coalesce(nullif(e.amount, 0),
               CASE WHEN e.source_currency_id = e.currency_id THEN e.source_amount END, 0)
               - coalesce(e.allocated_amount, 0) ELSE 0 END + coalesce(e.over_cap_amount, 0)), 0)::text,
           array_to_string(array_agg(DISTINCT e.reason) FILTER (WHERE e.reason IS NOT NULL), ','),
           string_agg(DISTINCT 'over ' || to_char(e.over_cap_amount, 'FM999999990.00'), ',')
               FILTER (WHERE e.over_cap_amount <> 0)
    FROM sale_order o JOIN res_company k ON k.id = o.company_id JOIN res_partner p ON p.id = o.partner_id
    JOIN res_currency cur ON cur.id = o.currency_id
    LEFT JOIN psa_entry e ON e.order_id = o.id
    WHERE k.name = %s AND o.psa_contract GROUP BY 1, 2"""
QUERIES = {"messages": MESSAGES, "held": HELD, "timesheets": TIMESHEETS, "proposals": PROPOSALS, "parts": PARTS,
           "invoices": INVOICES, "pushes": PUSHES}

WRITTEN_BACK = {
    "pse__Timecard__c": "SELECT COUNT() FROM pse__Timecard__c WHERE pse__Invoiced__c = true",
    "pse__Milestone__c": "SELECT COUNT() FROM pse__Milestone__c WHERE pse__Invoiced__c = true",
    "pse__Expense__c": "SELECT COUNT() FROM pse__Expense__c WHERE pse__Invoiced__c = true",
}


def invoiced_at_vendor(vendor):
    """How many records of each object the vendor shows as invoiced."""
    return {name: count_at_vendor(vendor, query) for name, query in WRITTEN_BACK.items()}


def facts(server, database, vendor, before):
    """All figures of the run.

    :param before: what `invoiced_at_vendor` said before the run; some records come as invoiced by another system
    :return: see `gathered`
    """
    results = run_sql(server, [(query, []) for query in QUERIES.values()], database=database)
    return gathered(dict(zip(QUERIES, results, strict=True)), before, invoiced_at_vendor(vendor))


def contracts(server, database, company):
    """What each contract of a company came to: [name, currency, billed, held, reasons, over caps]."""
    return run_sql(server, [(CONTRACTS, [company])], database=database)[0]


def gathered(rows, before, after):
    """Put the answers of `QUERIES` and of the vendor together.

    :param rows: {name of the query: rows}
    :return: `rows` with `written_back`: {object: records that the run marked as invoiced}
    """
    return rows | {"written_back": {name: count - before[name] for name, count in after.items()}}


def count_at_vendor(vendor, query):
    """Ask the sandbox as any client would: log in, then query."""
    with urllib.request.urlopen(f"{vendor}/_sandbox/credentials", timeout=HTTP_SECONDS) as answer:
        known = json.load(answer)
    login = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": known["consumer_key"],
                                    "client_secret": known["consumer_secret"]}).encode()
    with urllib.request.urlopen(known["token_url"], data=login, timeout=HTTP_SECONDS) as answer:
        token = json.load(answer)["access_token"]
    request = urllib.request.Request(
        f"{known['instance_url']}/services/data/v62.0/query?" + urllib.parse.urlencode({"q": query}),
        headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=HTTP_SECONDS) as answer:
        return json.load(answer)["totalSize"]


def money(text):
    return Decimal(text or 0).quantize(Decimal("0.01"))
