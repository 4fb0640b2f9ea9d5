"""A vendor whose records are made by the benchmark; its webhook is signed like a real one's."""

import hashlib
import hmac
import json
from decimal import Decimal

from odoo.addons.psa_hub import connectors
from odoo.addons.psa_hub.connectors import base, canonical, errors

canonical.TYPES.setdefault("bench_noop", canonical.CanonicalType(
    "bench_noop", "Empty record", 5, "transaction", {"name": canonical.Field(canonical.TEXT)}))


CALLS = 0  # how often this process asked the vendor for a page


def _references(**names):
    return {name: {"path": path, "refers_to": object_type} for name, (path, object_type) in names.items()}


class BenchConnector(base.Connector):
    code = "bench"
    label = "Benchmark"
    auth_methods = (base.AuthMethod("key", "Key", (base.CredentialField("key", "Key", secret=True),)),)
    streams = (
        base.StreamSpec("party", "Customers", "Party", "party", 10, webhook=True, page_size=2000),
        base.StreamSpec("resource", "Resources", "Resource", "resource", 20),
        base.StreamSpec("deal", "Deals", "Deal", "deal", 30),
        base.StreamSpec("project", "Projects", "Project", "project", 40),
        base.StreamSpec("assignment", "Assignments", "Assignment", "assignment", 50),
        base.StreamSpec("time", "Time", "Time", "time", 60, page_size=2000),
        base.StreamSpec("noop", "Empty", "Noop", "bench_noop", 70, webhook=True),
    )
    has_webhook = True
    webhook_secrets = (base.CredentialField("webhook_secret", "Secret", secret=True),)
    rate_budget = (100000, 1)

    def check(self, session):
        return []

    def default_mappings(self):
        return {
            "party": {"name": "name"},
            "resource": {"name": "name", "company": "company", "role": "role",
                         "active": {"constant": "true"}},
            "deal": {
                **{name: name for name in ("name", "won", "closed_on", "currency", "amount", "company", "payment_term",
                                           "billing_method", "tax_profile", "project_template", "lines")},
                **{f"lines.{name}": name for name in ("external_id", "name", "role", "quantity", "unit_price")},
                **_references(party=("party", "Party")),
            },
            "project": {"name": "name", "company": "company", "currency": "currency",
                        **_references(party=("party", "Party"), deal=("deal", "Deal"))},
            "assignment": {"bill_rate": "bill_rate", "currency": "currency", "role": "role",
                           "billable": {"constant": "true"}, "active": {"constant": "true"},
                           **_references(project=("project", "Project"), resource=("resource", "Resource"))},
            "time": {
                **{name: name for name in ("work_date", "hours", "description", "billable", "approved", "currency",
                                           "source_amount")},
                **_references(project=("project", "Project"), resource=("resource", "Resource"),
                              assignment=("assignment", "Assignment")),
            },
            "noop": {"name": "name"},
        }

    def default_value_maps(self):
        return {"billing_method": {"tm": "time_material"}}

    def fetch_page(self, session, stream, cursor, options):
        """100,000 empty records for the memory figure, a page at a time."""
        global CALLS
        CALLS += 1
        start = cursor.get("next", 0)
        total = int(session.settings.get("records") or 0) if stream.code == "noop" else 0
        stop = min(start + options["page_size"], total)
        records = [base.RawRecord("Noop", f"n{number}", "", {"name": f"Record {number} " + "x" * 800})
                   for number in range(start, stop)]
        return base.Page(records, {"next": stop}, stop < total)

    settings = (base.SettingField("records", "Records to make"),)

    def fetch_records(self, session, stream, external_ids):
        return []

    def verify_webhook(self, secrets, settings, request, now):
        body, given = request.body, request.headers.get("x-signature", "")
        if not any(hmac.compare_digest(sign(item["webhook_secret"], body), given) for item in secrets):
            raise errors.SignatureError("The signature does not match.")
        events = json.loads(body)
        return base.WebhookDelivery(
            hashlib.sha256(body).hexdigest(),
            [("noop", base.RawRecord("Noop", event["id"], event["version"], event)) for event in events])


def sign(secret, body):
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def firm(contracts, people):
    """Master data as raw records by stream code."""
    parties = [base.RawRecord("Party", f"c{number}", "1", {"name": f"Bench customer {number}"})
               for number in range(contracts)]
    resources = [base.RawRecord("Resource", f"r{number}", "1",
                                {"name": f"Bench person {number}", "company": "ONE", "role": None})
                 for number in range(people)]
    deals = [base.RawRecord("Deal", f"d{number}", "1", {
        "name": f"Bench deal {number}", "won": True, "party": f"c{number}", "closed_on": "2025-12-31",
        "currency": "USD", "amount": Decimal("100000"), "company": "ONE", "payment_term": "now",
        "billing_method": "tm", "tax_profile": "plain", "project_template": "none",
        "lines": [{"external_id": f"d{number}l", "name": "Consulting", "role": None, "quantity": Decimal("1000"),
                   "unit_price": Decimal("100")}],
    }) for number in range(contracts)]
    projects = [base.RawRecord("Project", f"p{number}", "1", {
        "name": f"Bench project {number}", "company": "ONE", "currency": "USD", "party": f"c{number}",
        "deal": f"d{number}"}) for number in range(contracts)]
    assignments = [base.RawRecord("Assignment", f"a{project}-{person}", "1", {
        "bill_rate": Decimal("120"), "currency": "USD", "role": None, "project": f"p{project}",
        "resource": f"r{person}"}) for project in range(contracts) for person in range(people)]
    return {"party": parties, "resource": resources, "deal": deals, "project": projects, "assignment": assignments}


connectors.register(BenchConnector())
