from odoo import models


class PsaApplyPartnerMerge(models.AbstractModel):
    """What happens in Odoo when the source merges two customers or contacts.

    The engine lets the loser's link follow the winner. Here the loser's own partner is merged into the winner's by
    Odoo, when that cannot rewrite books, prices or other systems' links; else it hands over its contacts and is
    archived.
    """

    _name = "psa.apply.partner.merge"
    _inherit = "psa.apply"
    _description = "Merge Partners"

    def _merge(self, items):
        pairs = {
            item.record: item.parents["winner"] for item in items
            if item.record and item.record != item.parents["winner"]
        }
        mergeable = self._mergeable(pairs)
        for loser in mergeable:
            # Odoo merges a handful of partners at a time, so one call a pair; merges are rare.
            self.env["base.partner.merge.automatic.wizard"]._merge((loser | pairs[loser]).ids, pairs[loser])
        for loser, winner in pairs.items():
            if loser not in mergeable:
                self._retire(loser, winner)
        for item in items:
            item.done(item.parents["winner"])

    def _mergeable(self, pairs):
        """Return the losers that Odoo may merge: no posted books, rates, users or other links, not winner's family."""
        losers = self.env["res.partner"].union(*pairs)
        if not losers:
            return losers
        booked = self.env["account.move.line"].sudo()._read_group(
            [("partner_id", "in", losers.ids), ("parent_state", "=", "posted")], ["partner_id"])
        rated = self.env["psa.rate"]._read_group([("partner_id", "in", losers.ids)], ["partner_id"])
        users = self.env["res.users"].with_context(active_test=False)._read_group(
            [("partner_id", "in", losers.ids)], ["partner_id"])
        barred = {partner.id for rows in (booked, rated, users) for (partner,) in rows} | self._linked_elsewhere(losers)
        return losers.filtered(
            lambda loser: loser.id not in barred
            and loser.company_id == pairs[loser].company_id
            and not self._is_above(loser, pairs[loser]) and not self._is_above(pairs[loser], loser)
        )

    def _is_above(self, partner, other):
        """True when ``partner`` is a parent of ``other``, on any level."""
        while other:
            other = other.parent_id
            if other == partner:
                return True
        return False

    def _linked_elsewhere(self, partners):
        """Return the ids of the partners that more than one external record is linked to."""
        return {
            res_id for res_id, count in self.env["psa.binding"]._read_group(
                [("res_model", "=", "res.partner"), ("res_id", "in", partners.ids), ("alias_of_id", "=", False)],
                ["res_id"], ["__count"],
            ) if count > 1
        }

    def _retire(self, loser, winner):
        """Hand the loser's contacts to the winner and archive it, unless another system still means it."""
        contacts = loser.child_ids - winner
        contacts.filtered(lambda contact: not contact.is_company).write({"parent_id": winner.id})
        if not self._linked_elsewhere(loser) and not loser.with_context(active_test=False).user_ids:
            loser.active = False
