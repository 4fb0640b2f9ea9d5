from odoo import models
from odoo.tools import email_normalize

from .tools import link_key, linked_keys, save, share_prefetch


class PsaApplyPerson(models.AbstractModel):
    """Contacts of a customer -> ``res.partner`` below the customer.

    A contact without link is matched by e-mail among the same customer's contacts, else created.
    """

    _name = "psa.apply.person"
    _inherit = "psa.apply.partner.merge"
    _description = "Apply Contacts"
    _canonical_names = {"parent_id": "party", "function": "job_title"}

    # === PREPARE === #
    def _prepare(self, items):
        share_prefetch(items)
        self._match_by_email([
            item for item in items
            if item.unmatched and item.parents.get("party") and email_normalize(item.values["email"])
        ])

    def _match_by_email(self, items):
        if not items:
            return
        self.env["psa.apply.turn"]._take({
            f"contact:{item.parents['party'].id}:{email_normalize(item.values['email'])}" for item in items
        })
        contacts = self.env["res.partner"].search_fetch(
            [
                ("parent_id", "in", [item.parents["party"].id for item in items]),
                ("email_normalized", "in", [email_normalize(item.values["email"]) for item in items]),
                ("type", "=", "contact"),
                ("is_company", "=", False),
            ],
            ["parent_id", "email_normalized"], order="id desc",
        )
        linked = linked_keys(items, contacts)
        by_email = {(contact.parent_id.id, contact.email_normalized): contact for contact in contacts}
        for item in items:
            contact = by_email.get((item.parents["party"].id, email_normalize(item.values["email"])))
            if contact and link_key(item, contact) not in linked:
                linked.add(link_key(item, contact))
                item.record = contact

    # === APPLY === #
    def _apply(self, items):
        values = {item: self._contact_values(item) for item in items}
        for item, contact in save(self, "res.partner", items, values).items():
            item.done(contact)

    def _contact_values(self, item):
        source = item.values
        party = item.parents.get("party")
        return {
            "is_company": False,
            "type": "contact",
            "name": source["name"],
            "parent_id": party.id if party else False,
            "email": source["email"] or False,
            "phone": source["phone"] or False,
            "function": source["job_title"] or False,
        }
