import logging

from odoo import api, models
from odoo.fields import Domain
from odoo.tools import SQL

from .audit_chain import GENESIS
from .audit_seal import CONTENT, AuditRow

_logger = logging.getLogger(__name__)

READ_AT_ONCE = 5000
TOLD_AT_MOST = 20
CAUSE = "audit_broken"


class PsaAudit(models.Model):
    """Does the trail still say what it said? Every night, and whenever somebody asks."""

    _inherit = "psa.audit"

    # === READING THE CHAIN === #
    @api.model
    def _chain(self, company_id, after=0, until=None):
        """Yield the sealed :class:`AuditRow` of a company in order, in pages.

        :param company_id: id, 0 for rows without a company
        :param after: number before the first row
        :param until: number of the last row; None: to the end
        """
        while True:
            page = [AuditRow(*values) for values in self.env.execute_query(SQL(
                "SELECT %s FROM psa_audit WHERE COALESCE(company_id, 0) = %s AND sequence > %s %s "
                "ORDER BY sequence LIMIT %s",
                CONTENT, company_id, after, SQL("AND sequence <= %s", until) if until else SQL(), READ_AT_ONCE))]
            yield from page
            if len(page) < READ_AT_ONCE:
                return
            after = page[-1].sequence

    @api.model
    def _check_chain(self, company_id):
        """Recompute a company's chain.

        :return: ``(number of rows, head hash, [(number, what)])``; what is ``changed``, ``missing`` (this row, or those
            from it on), ``erased`` (values were taken out, and no erasure says so), ``unblocked`` (the row is in no
            block)
        """
        self.flush_model()
        self.env["psa.audit.block"].flush_model()
        blocks = dict(self.env.execute_query(SQL(
            "SELECT last_sequence, seal FROM psa_audit_block WHERE COALESCE(company_id, 0) = %s ORDER BY last_sequence",
            company_id)))
        erasures, last_block = self._erased_ids(), max(blocks, default=0)
        count, former, expected, problems = 0, GENESIS, 1, []
        for row in self._chain(company_id):
            while expected < row.sequence and len(problems) < READ_AT_ONCE:
                problems.append((expected, "missing"))
                expected += 1
            missing_before = bool(problems) and problems[-1] == (row.sequence - 1, "missing")
            try:
                # after a gap the former hash is not known: the row itself cannot be checked, its successors can
                intact = missing_before or row.hash(former) == row.seal
            except ValueError:
                intact = False
            if not intact or blocks.pop(row.sequence, row.seal) != row.seal:
                problems.append((row.sequence, "changed"))
            elif row.erased and row.id not in erasures:
                problems.append((row.sequence, "erased"))
            count, former, expected = count + 1, row.seal, row.sequence + 1
        if last_block < expected - 1:
            problems.append((expected - 1, "unblocked"))
        known = {number for number, _what in problems}
        problems += [(number, "missing") for number in blocks if number not in known]
        return count, former, sorted(problems)

    @api.model
    def _erased_ids(self):
        """Return the ids of rows that an erasure named in the trail itself."""
        return {row_id for (row_id,) in self.env.execute_query(SQL(
            "SELECT jsonb_array_elements_text(after->'audit_rows')::int FROM psa_audit "
            "WHERE event = 'person.erase' AND jsonb_typeof(after->'audit_rows') = 'array'"))}

    # === CHECKING === #
    @api.model
    def _verify(self, companies):
        """Check the chains of these companies and what belongs to none; note the outcome in the trail.

        What is found is raised as an exception with an activity for each administrator; an intact chain closes it.

        :return: ``{company id (0: none): (rows, head hash, problems)}``
        """
        self._seal_all()
        outcome = {company_id: self._check_chain(company_id) for company_id in (*companies.ids, 0)}
        for company_id, (count, head, problems) in outcome.items():
            _logger.info(
                "Audit trail of company %s: %s rows, head %s, %s problems", company_id, count, head, len(problems))
        self._log([
            {
                "event": "audit.verify", "company_id": company_id or False,
                "after": {"rows": count, "head": head, "intact": not problems, "problems": problems[:TOLD_AT_MOST]},
            }
            for company_id, (count, head, problems) in outcome.items() if count or problems
        ])
        self._tell_outcome({company_id: problems for company_id, (_count, _head, problems) in outcome.items()})
        return outcome

    def _tell_outcome(self, problems_by_company):
        Exception_ = self.env["psa.exception"].sudo()
        main = self.env["res.company"].sudo().search([], order="id", limit=1)
        specs = [
            {
                "cause": CAUSE, "subject_key": f"audit:{company_id}", "company_id": company_id or main.id,
                "text": self.env._(
                    "The audit trail is not what it was: %s", self._problem_text(problems)),
                "detail": "\n".join(f"{number}: {what}" for number, what in problems[:500]),
            }
            for company_id, problems in problems_by_company.items() if problems
        ]
        for exception in Exception_._raise(specs).values():
            exception._ask_administrators()
        intact = [f"audit:{company_id}" for company_id, problems in problems_by_company.items() if not problems]
        Exception_.search([
            ("cause_id.code", "=", CAUSE), ("subject_key", "in", intact), ("is_open", "=", True),
        ])._close("resolved")

    @api.model
    def _problem_text(self, problems):
        """Return the sentence about what was found."""
        labels = {
            "changed": self.env._("changed"), "missing": self.env._("missing"),
            "erased": self.env._("erased without a record of it"),
            "unblocked": self.env._("sealed, but in no block"),
        }
        told = ", ".join(self.env._("no. %(number)s %(what)s", number=number, what=labels[what])
                         for number, what in problems[:TOLD_AT_MOST])
        more = len(problems) - TOLD_AT_MOST
        return self.env._("%(told)s and %(more)s more", told=told, more=more) if more > 0 else told

    @api.model
    def _cron_verify(self):
        self._verify(self.env["res.company"].sudo().search([("active", "in", (True, False))]))

    # === ACTIONS === #
    def action_verify(self):
        """Check the chains of the companies that are switched on, and say what was found.

        :return: notification
        """
        self.check_access("read")
        outcome = self._verify(self.env.companies)
        problems = [(number, what) for _rows, _head, found in outcome.values() for number, what in found]
        rows = sum(count for count, _head, _problems in outcome.values())
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "danger" if problems else "success",
                "sticky": bool(problems),
                "message": self._problem_text(problems) if problems else self.env._(
                    "All %s rows are what they were, and none is missing.", rows),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }


class PsaException(models.Model):
    _inherit = "psa.exception"

    def _ask_administrators(self):
        """Give each administrator of the company an activity, unless one is open."""
        self.ensure_one()
        administrators = self.env.ref("psa_hub.group_administrator").sudo().all_user_ids.filtered(
            lambda user: user.active and self.company_id in user.company_ids)
        administrators -= self.env.ref("base.user_root")
        asked = self.env["mail.activity"].sudo().search(
            Domain("res_model", "=", self._name) & Domain("res_id", "=", self.id)).user_id
        for user in administrators - asked:
            self.sudo().activity_schedule(
                "mail.mail_activity_data_todo", summary=self.env._("The audit trail was changed"), user_id=user.id)

    def _fix_audit(self):
        """Show what the last checks found."""
        action = self.env["ir.actions.actions"]._for_xml_id("psa_hub.action_psa_audit")
        return {**action, "domain": [("event", "=", "audit.verify"), ("company_id", "in", [self.company_id.id, False])]}
