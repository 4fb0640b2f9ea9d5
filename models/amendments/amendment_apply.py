import logging

from markupsafe import Markup

from odoo import api, fields, models
from odoo.tools import format_date

from ..billing.entry_kinds import HUSH

_logger = logging.getLogger(__name__)


class PsaAmendment(models.Model):
    """Coming into force: everything that an amendment changes, in one transaction."""

    _inherit = "psa.amendment"

    def _put_in_force(self, approver):
        """Change the contract, price what is on no invoice, propose differences for what is, and leave a trail."""
        self.ensure_one()
        order = self.order_id
        order._psa_lock_for_amendment()
        self._supersede()
        self._audit("amendment.in_force")
        self.write({"state": "in_force", "approved_by": approver.id, "in_force_at": fields.Datetime.now()})
        self._apply_rates()
        specs = self._apply_terms() if self.date_effective <= fields.Date.context_today(self) else {}
        self._price_again(specs)
        self._announce()

    def _apply_due(self):
        """Apply what waited for the effective day."""
        self.ensure_one()
        self.order_id._psa_lock_for_amendment()
        self._price_again(self._apply_terms(), rates=False)
        self._audit("amendment.terms_applied")

    def _supersede(self):
        """Mark the amendment that this one replaces; what it says and this one does not repeat stays."""
        replaced = self.replaces_id
        if not replaced:
            return
        if replaced.in_force_at and replaced.date_effective > self.date_effective:
            self._refuse_to_apply(self.env._(
                "%(replaced)s is in force from %(date)s: a later version cannot begin before.",
                replaced=replaced.display_name, date=format_date(self.env, replaced.date_effective),
            ))
        replaced._audit("amendment.superseded")
        replaced.write({"state": "superseded"})

    # === PRICES === #
    def _price_again(self, specs, rates=True):
        """Let all work of the contract follow. Constant number of queries.

        :param specs: ``{psa.entry: changes of its spec}``: agreed amounts that the amendment changed
        :param rates: whether rates changed, so that billed time may be worth something else
        """
        Entry = self.env["psa.entry"].with_context(**HUSH)
        order_domain = fields.Domain("order_id", "=", self.order_id.id)
        unbilled = fields.Domain("billing_state", "=", "to_bill")
        domain = order_domain & unbilled & fields.Domain("state", "!=", "withdrawn")
        if rates and self.rate_change_ids:
            domain |= (
                order_domain & ~unbilled & fields.Domain("kind", "=", "time")
                & fields.Domain("work_date", ">=", self.date_effective)
            )
        entries = Entry.search(domain, order="work_date, id") | Entry.browse(entry.id for entry in specs)
        Entry._price_under_amendment(self, entries, {entry.id: spec for entry, spec in specs.items()})
        Entry._bill_pending_as_difference(self, self.line_change_ids.applied_line_id)

    # === TRAIL === #
    def _announce(self):
        """Tell the contract's chatter what changed and what it means for what was billed."""
        order = self.order_id
        items = [change.display_name for change in self.change_ids]
        items += [
            f"{self._fields[name]._description_string(self.env)}: {self[name]}"
            for name in self._ORDER_FIELDS if self[name]
        ]
        text = self.env._(
            "%(link)s is in force from %(date)s, approved by %(approver)s.",
            link=self._get_html_link(title=self.display_name),
            date=format_date(self.env, self.date_effective), approver=self.approved_by.name,
        )
        if self.difference_count:
            text += " " + self.env._(
                "Work that is billed already is corrected by %(count)s difference lines: %(amount)s.",
                count=self.difference_count, amount=order.currency_id.format(self.difference_amount),
            )
        body = Markup("<p>%s</p>") % text
        if items:
            body += Markup("<ul>%s</ul>") % Markup("").join(Markup("<li>%s</li>") % item for item in items)
        order.with_context(mail_notrack=True).message_post(body=body, subtype_xmlid="mail.mt_note")

    # === CRON === #
    @api.model
    def _cron_apply_due(self):
        """Apply the terms of amendments whose effective day has come."""
        Cron = self.env["ir.cron"]
        waiting = self.search([("in_force_at", "!=", False), ("applied_at", "=", False)])
        due = waiting._due().sorted(lambda amendment: (amendment.date_effective, amendment.number))
        Cron._commit_progress(remaining=len(due))
        for amendment in due:
            try:
                with self.env.cr.savepoint():
                    amendment._apply_due()
            except Exception as error:  # one contract must not keep the others back
                _logger.exception("Amendment %s could not be applied", amendment.id)
                amendment.activity_schedule(
                    "mail.mail_activity_data_warning", user_id=amendment.approved_by.id,
                    summary=self.env._("Its day has come, but its terms could not be applied"), note=str(error))
            if not Cron._commit_progress(1):
                break
