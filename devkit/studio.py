"""The demo's studio: deal, signature, time, expenses, invoice, payment and payout over five systems and a folder."""

import json
import os
import shutil
import subprocess
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from decimal import Decimal

from sandbox import studio

from . import child
from .demo_facts import money
from .demo_table import Row
from .paths import REPO, log_folder
from .python_env import python_env
from .say import Problem, step
from .sql import run_sql

VENDORS = ("hubspot", "jira", "harvest", "stripe", "docusign")
SETTINGS = {"stripe": ("--set", "seeded=false")}
CRM, DELIVERY = "hubspot", "jira harvest stripe docusign files"
SECONDS = 60
FOLDER = "studio"

# Each deal of the studio: what was billed before tax, and how much of its invoices is paid
DEALS = """
    SELECT p.psa_code, o.state, coalesce(sum(e.allocated_amount), 0)::text
    FROM sale_order o JOIN res_company k ON k.id = o.company_id
    JOIN project_project p ON p.psa_contract_id = o.id
    LEFT JOIN psa_entry e ON e.order_id = o.id
    WHERE k.name = %s GROUP BY 1, 2"""
INVOICES = """
    SELECT m.payment_state, count(*), sum(m.amount_total)::text, sum(m.amount_residual)::text
    FROM account_move m JOIN res_company k ON k.id = m.company_id
    WHERE k.name = %s AND m.move_type = 'out_invoice' AND m.state = 'posted' GROUP BY 1"""
HELD = """
    SELECT c.code, count(*), coalesce(sum(m.risk_amount), 0)::text
    FROM psa_message m JOIN psa_exception x ON x.id = m.exception_id JOIN psa_exception_cause c ON c.id = x.cause_id
    JOIN psa_connection n ON n.id = m.connection_id JOIN res_company k ON k.id = n.company_id
    WHERE k.name = %s AND m.state IN ('held', 'waiting', 'dead') GROUP BY 1"""
CUSTOMERS = """
    SELECT count(DISTINCT b.res_id) FROM psa_binding b JOIN psa_connection n ON n.id = b.connection_id
    JOIN res_company k ON k.id = n.company_id
    WHERE k.name = %s AND b.canonical_type = 'party' AND b.res_id IS NOT NULL"""
JOURNALS = """
    SELECT j.code, coalesce(sum(l.balance), 0)::text
    FROM account_journal j JOIN res_company k ON k.id = j.company_id
    JOIN account_move_line l ON l.account_id = j.default_account_id JOIN account_move m ON m.id = l.move_id
    WHERE k.name = %s AND j.type = 'bank' AND m.state = 'posted' GROUP BY 1"""
FEES = """
    SELECT coalesce(sum(l.balance), 0)::text FROM account_move_line l JOIN account_account a ON a.id = l.account_id
    JOIN res_company k ON k.id = l.company_id JOIN account_move m ON m.id = l.move_id
    WHERE k.name = %s AND a.name->>'en_US' = 'Payment fees' AND m.state = 'posted'"""

PAPERS = """
    SELECT count(*) FROM psa_agreement g JOIN res_company k ON k.id = g.company_id
    JOIN ir_attachment_psa_agreement_rel r ON r.psa_agreement_id = g.id
    WHERE k.name = %s AND g.state = 'signed' AND g.order_id IS NOT NULL"""
PAYROLL = """
    SELECT count(*) FROM psa_cost_rate r JOIN hr_employee e ON e.id = r.employee_id
    JOIN res_company k ON k.id = e.company_id WHERE k.name = %s AND r.date_from = '2026-04-01'"""


@contextmanager
def stand_ins(scale):
    """Run the studio's five systems while the block runs; yields ``{code: address}``."""
    with ExitStack() as stack, step("starting the studio's five systems"):
        urls = {}
        processes = []
        for code in VENDORS:
            log = stack.enter_context((log_folder() / f"sandbox-{code}.log").open("w"))
            process = child.start(
                [python_env(), "-m", "sandbox", "--vendor", code, "--port", "0", "--scale", scale,
                 *SETTINGS.get(code, ())],
                cwd=REPO, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)
            stack.callback(child.stop, process)
            processes.append((code, process))
        for code, process in processes:
            line = process.stdout.readline()
            if not line.startswith("ready "):
                raise Problem(f"The stand-in of {code} did not start: see {log_folder() / f'sandbox-{code}.log'}.")
            urls[code] = line.split()[1]
        kept = stack.pop_all()
    with kept:
        yield urls


def control(url, name, method="GET", **values):
    """Call the control API of a stand-in."""
    request = urllib.request.Request(
        f"{url}/_sandbox/{name}", json.dumps(values).encode() if method == "POST" else None,
        {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return json.load(answer)


def perform(run, urls, scale, wait, scripts):
    """Play the studio's quarter.

    :param urls: ``{code: address of the stand-in}``
    :param wait: function ``(what, incoming)`` that waits until the queue is empty
    :param scripts: function ``(name, **variables)`` that runs a script of ``demo/`` in Odoo
    :return: list of :class:`Row`
    """
    fill_folder()
    variables = {"PSA_STUDIO": json.dumps(urls), "PSA_STUDIO_FOLDER": FOLDER}
    with step("the studio: its company, and the CRM"):
        scripts("studio_setup.py", PSA_STUDIO_CONNECT=CRM, **variables)
    wait("reading the won deals", True)
    with step("the studio: its time, expense, payment and signature systems, and a folder"):
        scripts("studio_setup.py", PSA_STUDIO_CONNECT=DELIVERY, **variables)
    wait("reading what was worked and spent", True)
    with step("the last statement of work is signed"):
        control(urls["docusign"], "sign", "POST")
        control(urls["docusign"], "clock", "POST", seconds=300)  # what is this young may still be incomplete
        scripts("studio_again.py")
    wait("the signed contract starts", True)
    with step("billing the studio's quarter"):
        scripts("studio_billing.py")
    wait("payment pages and invoice status", False)
    with step("the customers pay, the provider pays out"):
        paid = control(urls["stripe"], "pay_all_open_links", "POST")["charges"]
        control(urls["stripe"], "payout", "POST", settle=True)
        scripts("studio_again.py")
    wait("payments, fees and the payout", True)
    wait("the CRM hears of the payments", False)
    return list(rows(run, urls, scale, len(paid)))


def fill_folder():
    """Put this quarter's payroll cost into the watched folder."""
    folder = files_root() / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "cost").mkdir(parents=True)
    lines = ["person,amount,currency,starts_on"]
    lines += [f"{person.email},{person.cost}.00,EUR,2026-04-01" for person in studio.PEOPLE]
    payroll = folder / "cost/payroll-2026-q2.csv"
    payroll.write_text("\n".join(lines) + "\n", encoding="utf-8")
    finished = time.time() - 3600  # files that were written to a moment ago are left until they rest
    os.utime(payroll, (finished, finished))


def files_root():
    """Return the folder below which Odoo may read files (PSA_HUB_FILES_ROOT)."""
    return log_folder() / "files"


def rows(run, urls, scale, paid):
    """Return the table: each figure beside what the studio's facts say it must be."""
    name = [studio.COMPANY]
    deals, invoices, held, customers, journals, fees, papers, payroll = run_sql(
        run.server,
        [(query, name) for query in (DEALS, INVOICES, HELD, CUSTOMERS, JOURNALS, FEES, PAPERS, PAYROLL)],
        database=run.database)
    expected = studio.expected(scale)
    billed = {code: Decimal(amount) for code, _state, amount in deals}
    for code, known in expected.items():
        yield Row("studio", f"{code}: billed before tax", amount(billed.get(code, 0)),
                  amount(known["time"] + known["fees"] + known["expenses"]))
    states = {state: (count, Decimal(total), Decimal(rest)) for state, count, total, rest in invoices}
    count, total, _rest = states.get("paid", (0, Decimal(0), Decimal(0)))
    yield Row("studio", "invoices, all of them paid", f"{count} of {sum(row[0] for row in states.values())}",
              f"{len(expected)} of {len(expected)}")
    [[partners]] = customers
    yield Row("studio", "customers in Odoo, known to four systems", str(partners), str(len(studio.CUSTOMERS)))
    yield Row("studio", "charged and paid out", str(paid), str(len(expected)))
    balances = {code: Decimal(amount) for code, amount in journals}
    yield Row("studio", "at the payment provider after the payout", amount(balances.get("PROV", 0)), amount(0))
    [[fee]] = fees
    yield Row("studio", "arrived at the bank, fees apart", amount(sum(balances.values()) + Decimal(fee)), amount(total))
    [[documents]], [[costs]] = papers, payroll
    yield Row("studio", "signed statements of work on contracts", str(documents),
              str(sum(deal.needs_signature for deal in studio.DEALS)))
    yield Row("studio", "payroll costs from the folder", str(costs), str(len(studio.PEOPLE)))
    yield from held_rows(held, control(urls["harvest"], "manifest"))
    marked = control(urls["jira"], "written")
    yield Row("studio", "worklogs that show their invoice",
              str(len(marked["invoiced"].keys() | marked["properties"].keys())),
              str(sum(row.billable and row.approved for row in studio.work(scale, "jira"))))
    deals_told = control(urls["hubspot"], "written")["deals"].values()
    yield Row("studio", "deals in the CRM that show a paid invoice",
              str(sum(deal["values"].get("odoo_payment_status") == "paid" for deal in deals_told)), str(len(expected)))


def held_rows(held, harvest):
    """Return what is held beside what has to be: an hour that two systems tell of, and what nobody knows."""
    twice = harvest["duplicate"]
    price = next(line.price for line in studio.deal(twice["code"]).lines
                 if line.role == studio.person(twice["email"]).role)
    expected = {"suspected_duplicate": f"1 records, {amount(Decimal(str(twice['hours'])) * price)}",
                "unknown_agreement": f"2 records, {amount(0)}", "unknown_person": f"1 records, {amount(0)}"}
    found = {cause: f"{records} records, {amount(risk)}" for cause, records, risk in held}
    for cause in sorted(expected | found):
        yield Row("studio", f"held: {cause}", found.get(cause, "none"), expected.get(cause, "none"))


def amount(number):
    return f"EUR {money(number):,}"
