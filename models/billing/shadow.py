"""Shadow mode in billing: work of a connection in shadow mode is priced and proposed, and stands on no invoice.

A contract is in shadow mode while all systems that it is bound to are; its proposals can be built and compared. Work
that a system in shadow mode brings to a live contract is held on the proposal, and the rest of it is billed. What is so
is read live, so that nothing has to be kept in step.
"""

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .proposal import OPEN_STATES

# Of an entry: what said so last came from a connection in shadow mode, or its whole contract did.
_IN_SHADOW = SQL(
    """(
        EXISTS (SELECT FROM psa_message message JOIN psa_connection connection ON connection.id = message.connection_id
                 WHERE message.id = entry.message_id AND connection.is_shadow)
        OR COALESCE((SELECT bool_and(COALESCE(connection.is_shadow, false))
                       FROM psa_binding binding JOIN psa_connection connection ON connection.id = binding.connection_id
                      WHERE binding.res_model = 'sale.order' AND binding.res_id = entry.order_id), false))""")


class SaleOrder(models.Model):
    _inherit = "sale.order"

    def _psa_in_shadow(self):
        """Return ``{order id: name of a connection}`` of the contracts that only systems in shadow mode know."""
        if not self.ids or not self.env["psa.connection"]._shadow_ids():
            return {}
        self.env["psa.binding"].flush_model(["res_model", "res_id", "connection_id"])
        return dict(self.env.execute_query(SQL(
            """
            SELECT binding.res_id, MIN(connection.name)
              FROM psa_binding binding JOIN psa_connection connection ON connection.id = binding.connection_id
             WHERE binding.res_model = 'sale.order' AND binding.res_id = ANY(%s)
          GROUP BY binding.res_id HAVING bool_and(COALESCE(connection.is_shadow, false))
            """, self.ids)))


class PsaEntry(models.Model):
    _inherit = "psa.entry"

    def _in_shadow(self):
        """Return ``{entry id: connection's name}`` of work that a system in shadow mode brought to a live contract."""
        shadow_ids = self.env["psa.connection"]._shadow_ids()
        if not self.ids or not shadow_ids:
            return {}
        self.flush_model(["message_id", "order_id"])
        found = self.env.execute_query(SQL(
            """
            SELECT entry.id, entry.order_id, connection.name
              FROM psa_entry entry JOIN psa_message message ON message.id = entry.message_id
              JOIN psa_connection connection ON connection.id = message.connection_id
             WHERE entry.id = ANY(%s) AND connection.id = ANY(%s)
            """, self.ids, list(shadow_ids)))
        orders = self.env["sale.order"].browse({order_id for _id, order_id, _name in found})._psa_in_shadow()
        return {entry_id: name for entry_id, order_id, name in found if order_id not in orders}


class PsaProposal(models.Model):
    _inherit = "psa.proposal"

    shadow_name = fields.Char("In Shadow Mode", compute="_compute_shadow_name", compute_sudo=True)

    @api.depends("order_id", "state")
    def _compute_shadow_name(self):
        names = self.filtered(lambda proposal: proposal.state in OPEN_STATES).order_id._psa_in_shadow()
        for proposal in self:
            proposal.shadow_name = names.get(proposal.order_id.id, False) if proposal.state in OPEN_STATES else False

    def _check_live(self):
        """:raise UserError: one of these would bill what a system in shadow mode says"""
        orders = self.order_id._psa_in_shadow()
        for proposal in self.filtered(lambda proposal: proposal.order_id.id in orders):
            raise UserError(self.env._(
                "%(proposal)s is there to compare: %(connection)s is in shadow mode, and its contracts are not "
                "invoiced until it goes live.", proposal=proposal.name, connection=orders[proposal.order_id.id]))
        lines = self.line_ids.filtered(lambda line: line.decision == "in") \
            if self.env["psa.connection"]._shadow_ids() else self.line_ids.browse()
        shadow = lines.entry_id._in_shadow()
        for line in lines.filtered(lambda line: line.entry_id.id in shadow):
            raise UserError(self.env._(
                "%(entry)s on %(proposal)s comes from %(connection)s, which is in shadow mode: refresh the proposal.",
                entry=line.entry_id.display_name, proposal=line.proposal_id.name,
                connection=shadow[line.entry_id.id]))


class PsaAllocation(models.Model):
    _inherit = "psa.allocation"

    def init(self):
        """No entry of a connection in shadow mode is put on an invoice, whoever tries."""
        result = super().init()
        self.env.cr.execute(SQL(
            """
            CREATE OR REPLACE FUNCTION psa_allocation_shadow() RETURNS trigger LANGUAGE plpgsql AS $body$
            BEGIN
                IF EXISTS (SELECT FROM psa_connection WHERE is_shadow) AND EXISTS (
                    SELECT FROM new_rows JOIN psa_entry entry ON entry.id = new_rows.entry_id
                     WHERE new_rows.kind = 'invoice' AND %s) THEN
                    RAISE EXCEPTION 'Work of a connection in shadow mode is not invoiced'
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NULL;
            END $body$;
            DROP TRIGGER IF EXISTS psa_allocation_shadow ON psa_allocation;
            CREATE TRIGGER psa_allocation_shadow AFTER INSERT ON psa_allocation REFERENCING NEW TABLE AS new_rows
                FOR EACH STATEMENT EXECUTE FUNCTION psa_allocation_shadow();
            """, _IN_SHADOW))
        return result


class PsaConnection(models.Model):
    _inherit = "psa.connection"

    def _went_live(self):
        """Open proposals that held this system's work are out of date."""
        result = super()._went_live()
        lines = self.env["psa.proposal.line"].sudo().search([
            ("decision", "=", "held"), ("proposal_id.state", "in", OPEN_STATES),
            ("entry_id.message_id.connection_id", "=", self.id)])
        lines.proposal_id.needs_refresh = True
        return result
