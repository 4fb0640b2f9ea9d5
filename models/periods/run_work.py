# pylint: disable=invalid-commit  # a run commits after each piece
import logging
from collections import defaultdict

from psycopg2.errors import DeadlockDetected, LockNotAvailable, SerializationFailure

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

_logger = logging.getLogger(__name__)

PIECE = 50  # contracts a transaction
ATTEMPTS = 10  # of one piece, each in a new transaction, before the next run of the job tries again
CONFLICTS = (SerializationFailure, DeadlockDetected, LockNotAvailable)


class _Undo(Exception):
    """Leaves a savepoint of which nothing is to stay."""


class PsaBillingRunLine(models.Model):
    """Working on contracts: all of a piece together; when that fails, each alone, so that one error stays with one."""

    _inherit = "psa.billing.run.line"

    def _work_on(self):
        """Make (or preview) the proposals of these lines of one run, and say on each line what came of it."""
        run = self.run_id
        run.ensure_one()
        values = self._outcomes(run)
        today = fields.Date.context_today(self)
        for line in self:
            outcome = values[line.id]
            for name, amount in (("run_amount", "amount_in"), ("run_held", "amount_held")):
                outcome[name] = line.currency_id._convert(
                    outcome.get(amount, 0.0), run.currency_id, line.company_id, today)
            line.write(outcome)

    def _outcomes(self, run):
        """Return ``{line id: values}``. A piece that fails is worked on contract by contract."""
        try:
            return self._in_savepoint(run)
        except CONFLICTS:
            raise
        except Exception as error:
            if len(self) == 1:
                if not isinstance(error, UserError):
                    _logger.exception("Billing run %s, contract %s", run.id, self.order_id.id)
                return {self.id: {
                    "state": "error", "note": self._sentence(error), "amount_in": 0.0, "amount_held": 0.0,
                    "amount_carried": 0.0, "proposal_id": False,
                }}
        values = {}
        for line in self:
            values |= line._outcomes(run)
        return values

    def _sentence(self, error):
        if isinstance(error, UserError):
            return str(error)
        return self.env._("It failed inside: %s", f"{type(error).__name__}: {error}".partition("\n")[0])

    def _in_savepoint(self, run):
        values = {}
        try:
            with self.env.cr.savepoint():
                values = self._bill(run)
                if run.mode == "preview":
                    raise _Undo
        except _Undo:
            self.env.invalidate_all(flush=False)
        return values

    def _bill(self, run):
        """Make the proposals as the person who started the run; return ``{line id: values}``."""
        user = run.user_id
        Proposal = self.env["psa.proposal"].with_user(user).with_context(
            allowed_company_ids=(run.company_ids & user.company_ids).ids)
        proposals = Proposal._create_proposals(run.period_start, run.period_end, self.order_id.with_env(Proposal.env))
        by_order = {proposal.order_id.id: proposal for proposal in proposals.sudo()}
        amounts = self._amounts(proposals)
        submitted, notes = self._submit_clear(run, proposals, amounts) if run.auto_submit else ({}, {})
        result = {}
        for line in self:
            proposal = by_order.get(line.order_id.id)
            if not proposal:
                result[line.id] = {"state": "nothing", "note": False}
                continue
            result[line.id] = {
                **amounts[proposal.id],
                "state": "submitted" if proposal.id in submitted else "proposed",
                "note": notes.get(proposal.id) or proposal.hold_text,
                "proposal_id": False if run.mode == "preview" else proposal.id,
            }
        return result

    @api.model
    def _amounts(self, proposals):
        """Return ``{proposal id: what is in, held and carried}`` in the contracts' currencies, one query."""
        names = {"in": "amount_in", "held": "amount_held", "carried": "amount_carried"}
        amounts = {proposal.id: dict.fromkeys(names.values(), 0.0) for proposal in proposals}
        for proposal, decision, amount in self.env["psa.proposal.line"].sudo()._read_group(
            [("proposal_id", "in", proposals.ids), ("decision", "in", list(names))],
            ["proposal_id", "decision"], ["amount:sum"],
        ):
            amounts[proposal.id][names[decision]] = amount
        return amounts

    @api.model
    def _submit_clear(self, run, proposals, amounts):
        """Submit the proposals that nothing speaks against.

        :return: ids of those, and ``{proposal id: why not}`` of the others
        """
        clear, notes = proposals.browse(), {}
        today = fields.Date.context_today(self)
        for proposal in proposals.sudo():
            amount = proposal.currency_id._convert(
                amounts[proposal.id]["amount_in"], run.currency_id, proposal.company_id, today)
            if proposal.on_hold:
                notes[proposal.id] = proposal.hold_text
            elif proposal.state != "draft" or proposal.needs_refresh or proposal.amount_total < 0:
                continue
            elif amounts[proposal.id]["amount_held"]:
                notes[proposal.id] = self.env._("Not submitted: some of its work is held.")
            elif run.auto_submit_limit and run.currency_id.compare_amounts(amount, run.auto_submit_limit) > 0:
                notes[proposal.id] = self.env._("Not submitted: above the limit of this run.")
            elif any(line.decision == "in" for line in proposal.line_ids):
                clear |= proposal
        return self._submit(proposals, clear, notes), notes

    @api.model
    def _submit(self, proposals, clear, notes):
        """Submit ``clear`` at once; where their customers' limits allow only some of them, one by one."""
        if not clear:
            return set()
        mine = proposals.filtered(lambda proposal: proposal in clear)
        try:
            with self.env.cr.savepoint():
                mine.action_submit()
                return set(mine.ids)
        except UserError:
            submitted = set()
        for proposal in mine:
            try:
                with self.env.cr.savepoint():
                    proposal.action_submit()
                    submitted.add(proposal.id)
            except UserError as error:
                notes[proposal.id] = str(error)
        return submitted


class PsaBillingRun(models.Model):
    """The scheduled job: piece by piece, each in a transaction of its own."""

    _inherit = "psa.billing.run"

    @api.model
    def _cron_work(self):
        """Work on the runs that have begun until they are done, stopped, or the job's time is up."""
        Cron = self.env["ir.cron"]
        seconds = Cron._commit_progress(0, remaining=self._pending_count())
        attempts = defaultdict(int)
        while seconds:
            run = self.search([("state", "=", "running")], order="id", limit=1)
            if not run:
                break
            run_id = run.id
            try:
                worked = run._work_on_piece()
                ended = run.state != "running"
                seconds = Cron._commit_progress(worked, remaining=self._pending_count())
                if not worked and not ended:
                    break  # somebody else has locked what is left
            except CONFLICTS as error:
                self.env.cr.rollback()
                attempts[run_id] += 1
                _logger.info("Billing run %s: %s, again in a new transaction", run_id, type(error).__name__)
                if attempts[run_id] >= ATTEMPTS:
                    break

    @api.model
    def _pending_count(self):
        return self.env["psa.billing.run.line"].search_count([
            ("state", "=", "pending"), ("run_id.state", "=", "running")])

    def _work_on_piece(self):
        """Work on the next contracts of this run, or end it; nothing is committed here.

        The state of the run is only read: who stops it meanwhile is not in the way, and is heeded by the next piece.

        :return: number of contracts
        """
        self.ensure_one()
        self.env.invalidate_all()
        ids = self.env.execute_query(SQL(
            """
            SELECT id FROM psa_billing_run_line WHERE run_id = %s AND state = 'pending'
             ORDER BY id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
            """, self.id, PIECE))
        lines = self.env["psa.billing.run.line"].browse([row[0] for row in ids])
        if lines:
            lines._work_on()
        else:
            self._end_if_done()
        return len(lines)

    def _end_if_done(self):
        """A run without contracts left is done, unless it was stopped."""
        run = self.sudo()
        run.env.flush_all()
        if run.state == "running" and not run.line_ids.filtered(lambda line: line.state == "pending"):
            # A preview leaves the run as it was: new, and ready to bill.
            run.write({
                "state": "draft" if run.mode == "preview" else "done", "ended_at": fields.Datetime.now()})
