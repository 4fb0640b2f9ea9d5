"""Writes the example studio's part of HubSpot: owners, companies, contacts, deals and their lines."""

from datetime import datetime, time, timezone

from .. import studio
from .definitions import millis
from .objects import KINDS, STAGES

_FORMER = 590
#: what sellers sell under a framework agreement is won in the second pipeline
_WON = {"default": "closedwon", "78210034": "151230042"}
_OPEN = {"proposal": ("default", "contractsent"), "lost": ("default", "closedlost")}
_FIRST_PLAIN = 1_000_001


def _noon(day):
    return millis(datetime.combine(day, time(12), timezone.utc))


def owner_ids():
    """Return ``{e-mail: owner id}`` of those who sell or lead a delivery."""
    leads = {deal.delivery_owner for deal in studio.DEALS}
    return {person.email: person.owner_id or 501 + place for place, person in enumerate(studio.PEOPLE)
            if person.owner_id or person.email in leads}


def owners():
    """Return the owners as the API answers them, by id; one has left the firm."""
    rows = {}
    people = [(number, studio.person(email)) for email, number in owner_ids().items()]
    for number, email, first, last in (
            *((number, person.email, person.first_name, person.last_name) for number, person in people),
            (_FORMER, "nele.falk@haldenmarsh.example", "Nele", "Falk")):
        rows[number] = {
            "id": str(number), "email": email, "type": "PERSON", "firstName": first, "lastName": last,
            "userId": 70_000 + number, "userIdIncludingInactive": 70_000 + number,
            "createdAt": "2026-01-05T08:00:00.000Z", "updatedAt": "2026-01-05T08:00:00.000Z",
            "archived": number == _FORMER}
    return rows


def pipeline_of(deal):
    return "78210034" if deal.owner == studio.OTTO else "default"


class _Seed:
    def __init__(self, store, psa_properties):
        self.store, self.psa = store, psa_properties
        self.imported = millis(datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc))

    def add(self, kind, record_id, moment, values):
        known = {name: value for name, value in values.items() if self.psa or not name.startswith("psa_")}
        values = self.store.definitions.read_values(kind, known)
        return self.store.add(kind, values, record_id, moment, self.imported, source="IMPORT")

    def companies(self):
        for place, customer in enumerate(studio.CUSTOMERS):
            # The first three came with one import and bear one stamp.
            moment = self.imported + max(0, place - 2) * 86_400_000
            self.add("companies", customer.hubspot_id, moment, {
                "name": customer.name, "domain": customer.domain, "address": customer.street, "city": customer.city,
                "zip": customer.postal_code, "country": customer.country, "hs_country_code": customer.country_code,
                "website": f"https://www.{customer.domain}", "hubspot_owner_id": "501"})
            first, last = customer.contact
            self.add("contacts", customer.contact_id, moment, {
                "email": customer.contact_email, "firstname": first, "lastname": last, "hubspot_owner_id": "501",
                "associatedcompanyid": str(customer.hubspot_id)})
            self.store.link("contacts", customer.contact_id, "companies", customer.hubspot_id)

    def deals(self):
        ids = owner_ids()
        for deal in studio.DEALS:
            customer, closed = studio.customer(deal.customer), _noon(deal.closed_on)
            pipeline = pipeline_of(deal)
            self.add("deals", deal.hubspot_id, closed, {
                "dealname": deal.name, "amount": str(deal.amount), "deal_currency_code": studio.CURRENCY,
                "closedate": str(closed), "pipeline": pipeline, "dealstage": _WON[pipeline],
                "hubspot_owner_id": str(ids[deal.owner]), "psa_legal_entity": "HM-DE", "psa_payment_terms": deal.term,
                "psa_tax_profile": deal.tax_profile, "psa_project_template": deal.template,
                "psa_billing_method": deal.lines[0].method, "psa_project_code": deal.code,
                "psa_purchase_order": deal.purchase_order, "psa_delivery_owner": str(ids[deal.delivery_owner]),
                "psa_needs_signature": str(deal.needs_signature).lower()})
            self._link(deal.hubspot_id, customer)
            for place, line in enumerate(deal.lines):
                self.add("line_items", line.line_id, closed, {
                    "name": line.name, "quantity": str(line.quantity), "price": str(line.price),
                    "amount": str(line.amount), "hs_line_item_currency_code": studio.CURRENCY,
                    "hs_position_on_quote": str(place), "psa_billing_method": line.method, "psa_role": line.role})
                self.store.link("deals", deal.hubspot_id, "line_items", line.line_id)
        for number, key, name, state in studio.OPEN_DEALS:
            pipeline, stage = _OPEN[state]
            self.add("deals", number, self.imported, {
                "dealname": name, "pipeline": pipeline, "dealstage": stage, "deal_currency_code": studio.CURRENCY,
                "hubspot_owner_id": "501"})
            self._link(number, studio.customer(key))

    def _link(self, deal_id, customer):
        self.store.link("deals", deal_id, "companies", customer.hubspot_id)
        self.store.link("deals", deal_id, "contacts", customer.contact_id)

    def plain_companies(self, count):
        """Add companies for load; fifty at a time bear one stamp, as after an import."""
        start = millis(datetime(2026, 1, 10, tzinfo=timezone.utc))
        for number in range(count):
            moment = start + number // 50 * 1000
            self.store.add("companies", {"name": f"Company {number + 1:06}", "domain": f"c{number + 1}.example",
                                         "city": "Hamburg", "country": "Germany"}, _FIRST_PLAIN + number, moment)


def seed(store, psa_properties=True, records=0):
    """Fill an empty store."""
    rows = _Seed(store, psa_properties)
    if records:
        rows.plain_companies(records)
    rows.companies()
    rows.deals()


def counts(store):
    """Return how many records of each kind are not archived."""
    return {kind: len(store.tables[kind].by_id) for kind in KINDS}


def stage_of(row):
    return STAGES[row.properties["dealstage"]][1]

