"""What happens at HubSpot after the first read: edits, a reopened deal, a deletion, a merge."""

from .. import studio


class SecondAct:
    """:param app: the :class:`App` whose records change"""

    def __init__(self, app):
        self.app, self.played = app, False

    def play(self):
        """Change the records once; return what changed, by ids."""
        if self.played:
            return {"played": False}
        self.played = True
        app, (first, _second, _third, fourth, _fifth) = self.app, studio.DEALS
        app.change("companies", studio.customer("BIRK").hubspot_id, {"address": "Am Wall 120", "zip": "28199"})
        line = first.lines[1]
        app.change("line_items", line.line_id, {"quantity": "520", "amount": str(520 * line.price)})
        app.change("deals", first.hubspot_id, {
            "amount": str(first.amount + 20 * line.price), "psa_purchase_order": "4500-78"})
        app.change("deals", fourth.hubspot_id, {"dealstage": "151230041"})
        lost = next(number for number, _key, _name, state in studio.OPEN_DEALS if state == "lost")
        app.delete("deals", lost)
        eich = studio.customer("EICH")
        twin = app.create("companies", {"name": eich.name, "domain": f"www.{eich.domain}", "phone": "+49 511 5550100"})
        left = app.merge("companies", twin, eich.hubspot_id)
        return {"played": True, "company_moved": str(studio.customer("BIRK").hubspot_id),
                "deal_enlarged": str(first.hubspot_id), "deal_reopened": str(fourth.hubspot_id),
                "deal_deleted": str(lost), "company_merged": {"loser": twin, "winner": left}}
