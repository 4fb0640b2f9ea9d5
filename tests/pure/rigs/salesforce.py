"""Salesforce: accounts are read, the invoice status goes to won deals."""

from wire_server import request_of, session_for

from connectors.base import PushItem
from rigs.base import Rig
from sandbox.salesforce.outbound import OutboundMessages
from sandbox.salesforce.store import instant

POSTED = {"event": "posted", "invoiced": True, "invoice_number": "INV/2026/00417", "invoice_date": "2026-07-03",
          "payment_state": "not_paid", "amount_total": "100.00", "amount_residual": "100.00", "currency": "EUR",
          "credit_note": None, "url": "https://odoo.example/1"}


class SalesforceRig(Rig):
    code = "salesforce"
    vendor = "salesforce"
    stream = "account"
    write_fault = {"method": "PATCH"}
    events_per_delivery = 100

    def session(self, vendor, **transport):
        known = vendor.credentials
        return session_for(vendor.url, "jwt_bearer", {
            "client_id": known["consumer_key"], "client_secret": known["consumer_secret"],
            "username": known["username"], "private_key": known["private_key"]}, None, {
                "audience": known["audience"], "organization_id": known["organization_id"]},
            **{"read_timeout": 2, **transport})

    # === WHAT HAPPENS AT THE VENDOR === #

    def _table(self, vendor, name="account"):
        return vendor.app.store.tables[name]

    def ids(self, vendor):
        return {id_ for id_, row in self._table(vendor).rows.items() if not row.get("IsDeleted")}

    def make(self, vendor, count=1, moment=None):
        stamp = instant(moment or vendor.clock.now())
        return [vendor.app.store.seed("Account", stamp, Name=f"Made {number}") for number in range(count)]

    def touch(self, vendor, external_id, moment=None):
        stamp = instant(moment or vendor.clock.now())
        vendor.app.store.touch("Account", external_id, stamp, Name=f"Touched {stamp}")
        return f"Touched {stamp}"

    def delete(self, vendor, external_id):
        with vendor.app.store.writing() as store:
            store.delete(self._table(vendor), external_id)

    def merge(self, vendor, loser, winner):
        with vendor.app.store.writing() as store:
            store.delete(self._table(vendor), loser, master=winner)

    # === LOGIN === #

    def expire(self, vendor):
        vendor.app.authority.expire()

    def revoke(self, vendor):
        vendor.app.control("POST", "revoke", {})

    def narrow(self, vendor):
        vendor.app.control("POST", "hide", {"object": "Contact"})
        return "contact"

    # === WEBHOOK === #

    def delivery(self, vendor, external_ids, secrets=None, moment=None):
        messages = OutboundMessages(vendor.app.store, vendor.credentials["organization_id"], vendor.url)
        messages.register("http://127.0.0.1/", "Account")
        notifications = [(messages._next_id(), external_id) for external_id in external_ids]
        body = messages.envelope(messages.endpoints[0], notifications, messages.organization_id).encode()
        vendor.app.store.listeners.remove(messages._changed)
        return request_of(body, {"Content-Type": "text/xml; charset=utf-8"})

    # === WRITING === #

    def push_items(self, vendor, count=1):
        deals = sorted(id_ for id_, row in self._table(vendor, "opportunity").rows.items() if row["IsWon"])
        return self.connector.outbound[0], [PushItem(f"key-{id_}", "Opportunity", id_, POSTED) for id_ in deals[:count]]

    def written(self, vendor, item):
        return sum(entry["method"] == "PATCH" and item.external_id in entry.get("body", "") for entry in vendor.log())

    def lock(self, vendor, item):
        vendor.faults.add("lock_row", times=None, method="PATCH", records=1)

    def remove(self, vendor, item):
        with vendor.app.store.writing() as store:
            store.delete(self._table(vendor, "opportunity"), item.external_id)


RIG = SalesforceRig()

