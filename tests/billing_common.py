"""A small firm with a chart of accounts, a tax, people, contracts and an approver, for the billing tests."""

from datetime import date
from decimal import Decimal

from odoo import Command
from odoo.tests import TransactionCase, new_test_user


class BillingCase(TransactionCase):
    """One company (USD, tax 15 % on top), two roles, two people, and helpers to make contracts and work."""

    currency_name = "USD"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env = cls.env(context=dict(
            cls.env.context, tracking_disable=True, mail_create_nolog=True, mail_notrack=True))
        cls.company = cls.env["res.company"].create({
            "name": "Ledger Partners",
            "currency_id": cls.env.ref(f"base.{cls.currency_name}").id,
            "country_id": cls.env.ref("base.us").id,
        })
        cls.env.user.write({"company_ids": [Command.link(cls.company.id)], "company_id": cls.company.id})
        cls.env = cls.env(context=dict(cls.env.context, allowed_company_ids=[cls.company.id]))
        cls.env["account.chart.template"].try_loading("generic_coa", company=cls.company, install_demo=False)
        cls.tax = cls.company.account_sale_tax_id
        cls.products = {
            method: cls.env.ref(f"psa_hub.product_{name}")
            for method, name in [
                ("time_material", "time"), ("fixed_fee", "fixed_fee"), ("milestone", "milestone"),
                ("expense", "expense"),
            ]
        }
        for product in cls.products.values():
            product.taxes_id = [Command.link(cls.tax.id)]
        cls.hour = cls.env.ref("uom.product_uom_hour")
        cls.consultant, cls.architect = cls.env["psa.role"].create([
            {"name": "Test Consultant", "company_id": cls.company.id},
            {"name": "Test Architect", "company_id": cls.company.id},
        ])
        cls.ada, cls.grace = cls.env["hr.employee"].create([
            {"name": "Ada", "company_id": cls.company.id, "psa_role_id": cls.consultant.id},
            {"name": "Grace", "company_id": cls.company.id, "psa_role_id": cls.architect.id},
        ])
        cls.customer = cls.env["res.partner"].create({"name": "Analytical Engines", "is_company": True})
        groups = "account.group_account_invoice,sales_team.group_sale_manager,psa_hub."
        company = {
            "company_id": cls.company.id, "company_ids": [Command.set(cls.company.ids)],
            "context": {"no_reset_password": True},  # no mail to each of them, which costs as much as the user
        }
        cls.preparer = new_test_user(cls.env, "preparer", groups + "group_operator", **company)
        cls.reviewer = new_test_user(cls.env, "reviewer", groups + "group_reviewer", **company)
        cls.approver = new_test_user(cls.env, "approver", groups + "group_approver", **company)

    # === MAKING THINGS === #
    @classmethod
    def make_contract(cls, *lines, currency=None, partner=None, taxes=None, **values):
        """Return a confirmed contract with a project.

        :param lines: ``(billing method, quantity, unit price)`` or with a fourth part, a dict of more line values
        """
        pricelist = cls.env["product.pricelist"].create({
            "name": "Contract", "currency_id": (currency or cls.company.currency_id).id, "company_id": cls.company.id,
        })
        order = cls.env["sale.order"].create({
            "partner_id": (partner or cls.customer).id,
            "company_id": cls.company.id,
            "pricelist_id": pricelist.id,
            "psa_contract": True,
            "order_line": [
                Command.create({
                    "product_id": cls.products[method].id,
                    "name": f"{method} {index}",
                    "product_uom_qty": quantity,
                    "price_unit": price,
                    "technical_price_unit": 0.0,
                    "psa_billing_method": method,
                    **({"tax_ids": [Command.set(taxes.ids)]} if taxes is not None else {}),
                    **(more[0] if more else {}),
                })
                for index, (method, quantity, price, *more) in enumerate(lines)
            ],
            **values,
        })
        order.with_context(disable_project_task_generation=True).action_confirm()
        project = cls.env["project.project"].create({
            "name": order.name,
            "company_id": cls.company.id,
            "partner_id": order.partner_id.id,
            "allow_billable": True,
            "allow_milestones": True,
            "psa_contract_id": order.id,
        })
        order.project_ids = [Command.link(project.id)]
        return order

    @classmethod
    def make_rate(cls, amount, order=None, **values):
        return cls.env["psa.rate"].create({
            "company_id": cls.company.id, "order_id": order.id if order else False, "amount": amount, **values,
        })

    @classmethod
    def project_of(cls, order):
        return cls.env["project.project"].search([("psa_contract_id", "=", order.id)], limit=1)

    @classmethod
    def make_timesheets(cls, order, hours, employee=None, line=None, day=date(2026, 5, 4)):
        """Return timesheets; ``hours`` is a list of hours or of ``(day, hours)``."""
        line = line or order.order_line[:1]
        project = cls.project_of(order)
        return cls.env["account.analytic.line"].create([
            {
                "name": "Work",
                "project_id": project.id,
                "employee_id": (employee or cls.ada).id,
                "date": item[0] if isinstance(item, tuple) else day,
                "unit_amount": float(item[1] if isinstance(item, tuple) else item),
                "so_line": line.id,
                "is_so_line_edited": True,
            }
            for item in hours
        ])

    @classmethod
    def time_specs(cls, order, timesheets, **values):
        return [
            {
                "source": timesheet,
                "order_id": order.id,
                "order_line_id": timesheet.so_line.id,
                "project_id": timesheet.project_id.id,
                "employee_id": timesheet.employee_id.id,
                "role_id": None,
                "work_date": timesheet.date,
                "quantity": Decimal(repr(timesheet.unit_amount)),
                "currency_id": order.currency_id.id,
                "fixed_amount": None,
                "approved": True,
                "billable": True,
                "source_blocked": "",
                "description": "Work",
                "source_amount": None,
                "message_id": None,
                **values,
            }
            for timesheet in timesheets
        ]

    @classmethod
    def make_time(cls, order, hours, employee=None, line=None, day=date(2026, 5, 4), **values):
        """Return approved time entries for ``hours`` (see :meth:`make_timesheets`)."""
        timesheets = cls.make_timesheets(order, hours, employee, line, day)
        return cls.env["psa.entry"]._sync("time", cls.time_specs(order, timesheets, **values))

    def propose(self, order, start=date(2026, 5, 1), end=date(2026, 5, 31)):
        return self.env["psa.proposal"].with_user(self.preparer)._create_proposals(start, end, order)

    def bill(self, order, start=date(2026, 5, 1), end=date(2026, 5, 31), post=True):
        """Propose, submit, approve and (by default) post; return the invoice."""
        proposal = self.propose(order, start, end)
        proposal.action_submit()
        proposal.with_user(self.approver).action_approve()
        move = proposal.sudo().move_ids
        if post:
            move.action_post()
        return move

    def assertLedger(self, entries):
        """The law: stored sums equal the allocations, and lie between zero and what is approved."""
        self.env.flush_all()
        self.env.invalidate_all()
        for entry in entries.sudo():
            counted = entry.allocation_ids.filtered(
                lambda a: a.state == "posted" or (a.kind == "invoice" and a.state == "draft"))
            self.assertAlmostEqual(entry.allocated_amount, sum(counted.mapped("amount")), 6)
            self.assertAlmostEqual(entry.allocated_quantity, sum(counted.mapped("quantity")), 6)
            low, high = sorted((0.0, entry.amount))
            self.assertTrue(low <= entry.allocated_amount <= high)
