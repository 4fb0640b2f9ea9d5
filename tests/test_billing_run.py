from datetime import date
from unittest.mock import patch

from psycopg2.errors import SerializationFailure

from odoo import Command
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from ..models.periods import run as run_module
from ..models.periods import run_work
from .test_hold import HoldCase


@tagged("post_install", "-at_install")
class TestBillingRun(HoldCase):

    def make_orders(self, count, hours=(8,)):
        orders = self.order.browse()
        for _index in range(count):
            order = self.make_hourly_contract()
            self.make_time(order, list(hours))
            orders |= order
        return orders

    def make_run(self, orders=None, user=None, **values):
        return self.env["psa.billing.run"].with_user(user or self.preparer).create({
            "period_start": date(2026, 5, 1), "period_end": date(2026, 5, 31),
            "company_ids": [Command.set(self.company.ids)],
            "order_ids": [Command.set((orders or self.order.browse()).ids)],
            **values,
        })

    def states(self, run):
        self.env.invalidate_all()
        return [line.state for line in run.sudo().line_ids.sorted("id")]

    def work(self, run, pieces=None):
        """Do what the scheduled job does, ``pieces`` transactions of it."""
        while pieces != 0 and run.sudo().state == "running":
            run.sudo()._work_on_piece()
            self.env.flush_all()
            self.env.invalidate_all()
            pieces = pieces and pieces - 1

    # === SMALL RUNS === #
    def test_a_small_run_is_done_at_once(self):
        orders = self.make_orders(2)
        run = self.make_run(orders | self.order)
        action = run.action_run()
        proposals = self.env["psa.proposal"].search(action["domain"])
        self.assertEqual(proposals.order_id, orders)
        self.assertEqual(set(proposals.mapped("prepared_by")), {self.preparer})
        self.assertEqual(sorted(self.states(run)), ["nothing", "proposed", "proposed"])
        self.assertEqual(
            (run.state, run.progress, run.proposal_count, run.nothing_count, run.amount_in), ("done", 100, 2, 1, 1600))
        with self.assertRaises(UserError):
            run.action_run()
        with self.assertRaises(UserError):
            run.with_user(self.preparer).write({"auto_submit": True})
        with self.assertRaises(AccessError):
            run.with_user(self.preparer).write({"state": "draft"})

    def test_the_preview_leaves_nothing_behind(self):
        orders = self.make_orders(2)
        self.make_time(orders[0], [4], source_blocked="held")
        run = self.make_run(orders)
        before = self.env["psa.proposal"].search_count([])
        run.action_preview()
        self.env.invalidate_all()
        self.assertEqual(self.env["psa.proposal"].search_count([]), before)
        self.assertEqual((run.state, run.mode, run.amount_in), ("draft", "preview", 1600))
        self.assertEqual(self.states(run), ["proposed", "proposed"])
        self.assertFalse(run.line_ids.proposal_id)
        run.action_run()
        self.assertEqual((run.state, run.amount_in, len(run.line_ids)), ("done", 1600, 2), "as the preview said")

    def test_customers_narrow_it(self):
        self.make_orders(1)
        other = self.customer.create({"name": "Other", "is_company": True})
        order = self.make_hourly_contract(other)
        self.make_time(order, [1])
        run = self.make_run(partner_ids=[Command.set(other.ids)])
        run.action_run()
        self.assertEqual(run.sudo().line_ids.order_id, order)

    def test_bill_these(self):
        orders = self.make_orders(2)
        action = orders.with_user(self.preparer).action_psa_bill()
        run = self.env["psa.billing.run"].with_user(self.preparer).with_context(**action["context"]).create({})
        self.assertEqual((run.order_ids, run.company_ids), (orders, self.company))

    # === SUBMITTING BY ITSELF === #
    def test_what_is_clear_is_submitted(self):
        """Clear; over the limit; something of it held; on hold."""
        clear, dear, held, on_hold = orders = self.make_orders(4)
        self.make_time(dear, [8])
        self.make_time(held, [1], source_blocked="held")
        self.hold_env._put(on_hold, "Discussed")
        run = self.make_run(orders, auto_submit=True, auto_submit_limit=1000)
        run.action_run()
        self.assertEqual(self.states(run), ["submitted", "proposed", "proposed", "proposed"])
        notes = {line.order_id: line.note for line in run.sudo().line_ids}
        self.assertFalse(notes[clear])
        self.assertIn("limit", notes[dear])
        self.assertIn("held", notes[held])
        self.assertIn("Discussed", notes[on_hold])
        self.assertEqual(run.submitted_count, 1)
        self.assertEqual(clear.sudo().psa_proposal_ids.state, "to_approve")
        with self.assertRaises(AccessError):
            clear.sudo().psa_proposal_ids.with_user(self.preparer).action_approve()

    def test_a_limit_that_only_some_fit_into(self):
        self.company.account_use_credit_limit = True
        self.customer.with_company(self.company).credit_limit = 1900
        orders = self.make_orders(3)  # 920 each with tax
        run = self.make_run(orders, auto_submit=True)
        run.action_run()
        self.assertEqual(sorted(self.states(run)), ["proposed", "submitted", "submitted"])

    # === LARGE RUNS === #
    def test_cancel_stops_after_the_piece_and_resume_bills_the_rest_once(self):
        orders = self.make_orders(5)
        with patch.object(run_module, "AT_ONCE", 2), patch.object(run_work, "PIECE", 2):
            run = self.make_run(orders)
            action = run.action_run()
            self.assertEqual(action["res_model"], "psa.billing.run", "a large one shows its own page")
            self.assertEqual((run.state, run.progress), ("running", 0))
            self.work(run, pieces=1)
            self.assertEqual((run.worked_count, run.progress), (2, 40))
            run.action_cancel()
            self.work(run)
            self.assertEqual(self.states(run), ["proposed", "proposed", "pending", "pending", "pending"])
            run.action_resume()
            self.work(run)
        self.assertEqual((run.state, run.progress), ("done", 100))
        self.assertEqual(len(self.env["psa.proposal"].search([("order_id", "in", orders.ids)])), 5)

    def test_killed_between_two_pieces_goes_on_without_doubles(self):
        """A piece commits its proposals with the lines that say so; what was rolled back is done again."""
        orders = self.make_orders(4)
        with patch.object(run_module, "AT_ONCE", 1), patch.object(run_work, "PIECE", 2):
            run = self.make_run(orders)
            run.action_run()
            self.work(run, pieces=1)
            try:
                with self.env.cr.savepoint():
                    run.sudo()._work_on_piece()
                    raise ZeroDivisionError  # the worker dies before its commit
            except ZeroDivisionError:
                self.env.invalidate_all(flush=False)
            self.assertEqual(self.states(run).count("pending"), 2)
            self.work(run)
        proposals = self.env["psa.proposal"].search([("order_id", "in", orders.ids)])
        self.assertEqual(sorted(proposals.order_id.ids), sorted(orders.ids))
        self.assertEqual(len(proposals), 4)

    def test_the_scheduled_job(self):
        """Five contracts in pieces of two; the first piece meets another transaction and is done again, for free."""
        orders = self.make_orders(5)
        Run, told = type(self.env["psa.billing.run"]), []
        work = Run._work_on_piece
        conflicts = iter([SerializationFailure()])

        def once_in_conflict(run):
            if error := next(conflicts, None):
                raise error
            return work(run)

        def progress(_cron, processed=0, *, remaining=None, deactivate=False):
            told.append((processed, remaining))
            return 10

        with patch.object(run_module, "AT_ONCE", 1), patch.object(run_work, "PIECE", 2):
            run = self.make_run(orders)
            run.action_run()
            self.env.flush_all()
            with (
                patch.object(Run, "_work_on_piece", once_in_conflict),
                patch.object(type(self.env["ir.cron"]), "_commit_progress", progress),
                patch.object(self.env.cr, "rollback", lambda: None),
            ):
                self.env["psa.billing.run"].sudo()._cron_work()
        self.assertEqual(told, [(0, 5), (2, 3), (2, 1), (1, 0), (0, 0)])
        self.env.invalidate_all()
        self.assertEqual((run.state, run.proposal_count), ("done", 5))
        self.assertTrue(run.ended_at)

    def test_the_error_of_one_contract_stays_with_it(self):
        good, bad, fine = orders = self.make_orders(3)
        Proposal = type(self.env["psa.proposal"])
        build, sentence = Proposal._build, "The fiscal position of this contract is gone."

        def break_one(proposals, period_start, period_end):
            if bad in proposals.order_id:
                raise UserError(sentence)
            return build(proposals, period_start, period_end)

        run = self.make_run(orders)
        with patch.object(Proposal, "_build", break_one):
            run.action_run()
        self.assertEqual(self.states(run), ["proposed", "error", "proposed"])
        self.assertEqual(run.error_line_ids.note, sentence)
        self.assertEqual((run.state, run.error_count, run.amount_in), ("done", 1, 1600))
        self.assertFalse(bad.psa_proposal_ids)
        self.assertTrue(good.psa_proposal_ids and fine.psa_proposal_ids)

    def test_a_piece_of_many_takes_as_many_queries_as_one_of_few(self):
        """100 contracts are two pieces of 50; what a piece costs does not grow with its contracts but by its lines."""
        def queries(count):
            run = self.make_run(self.make_orders(count))
            run._begin("bill")
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            run.sudo()._work_on_piece()
            self.env.flush_all()
            return self.env.cr.sql_log_count - before

        queries(1)
        few, many = queries(3), queries(20)
        self.assertLessEqual(many, few + 4)
