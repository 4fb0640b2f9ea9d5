from datetime import date
from decimal import Decimal

from odoo import Command
from odoo.tests import tagged

from .scenario_common import ScenarioCase


@tagged("post_install", "-at_install")
class TestBillingScenarios(ScenarioCase):
    """Events and the invoices they come to, to the cent and down to Odoo's own figures. Tax is 15 % on top."""

    # === EVERY METHOD === #
    def every_method(self):
        """A contract with a line of each method; what is not hours is brought in here."""
        monthly = {"psa_interval": "month", "psa_anchor": "calendar"}
        self.at("2026-05-31")
        order = self.hourly(
            ("fixed_fee", 1, 5000.0),
            ("milestone", 1, 10000.0),
            ("progress", 1, 10000.01),
            ("recurring", 1, 1000.0, {**monthly, "psa_date_start": date(2026, 5, 11)}),
            ("retainer", 1, 800.0, {**monthly, "psa_date_start": date(2026, 5, 1)}),
            ("prepaid", 10, 90.0, {"psa_date_start": date(2026, 5, 1)}),
            ("pass_through", 0, 0.0, {"psa_markup_percent": 8}),
            ("time_material", 10, 200.0, {"psa_role_id": self.architect.id}),
        )
        self.make_rate(200, order, role_id=self.architect.id)
        _time, fee, milestone, progress, _recurring, retainer, _prepaid, _vendor, architects = order.order_line
        self.env["psa.retainer"].create({
            "name": "Architects", "order_id": order.id, "fee_line_id": retainer.id, "date_start": date(2026, 5, 1),
            "line_ids": [Command.set(architects.ids)]})
        self.make_policy(method="markup", markup_percent=10, order_id=order.id)
        spec = {"order_id": order.id, "work_date": date(2026, 5, 8), "currency_id": order.currency_id.id}
        self.env["psa.entry"]._sync("fee", [{**spec, "source": fee}])
        reached = self.env["project.milestone"].create({
            "name": "Design", "project_id": self.project_of(order).id, "sale_line_id": milestone.id,
            "quantity_percentage": 0.25, "is_reached": True})
        self.env["psa.entry"]._sync("milestone", [{
            **spec, "source": reached, "fixed_amount": Decimal(2500), "quantity": 1, "description": "Design"}])
        report = self.env["psa.progress"].with_user(self.preparer).create({
            "order_line_id": progress.id, "date": date(2026, 5, 20), "percent": 33.3333})
        report.action_report()
        report.with_user(self.reviewer).action_approve()
        self.make_bill((1950, {"psa_contract_id": order.id}), post=True)
        return order

    def test_every_method_on_one_invoice(self):
        """A recurring fee from May 11th is 21 of 31 days; six hours of architects cost 1,200, 800 are paid for."""
        self.play(
            self.every_method(),
            ("time", "2026-05-04", 7.5),
            ("time", "2026-05-05", 0.25),
            ("time", "2026-05-06", 6, {"name": "architect", "line": 8, "who": "grace"}),
            ("expense", "2026-05-07", 212.40),
            ("entry", "architect", "approved", 400),
            ("bill", "2026-05",
             ("time_material", 7.75, 100, 775.00, 116.25, 891.25),
             ("fixed_fee", 1, 5000, 5000.00, 750.00, 5750.00),
             ("milestone", 0.25, 10000, 2500.00, 375.00, 2875.00),
             ("progress", 0.33, 10101, 3333.33, 500.00, 3833.33),
             ("recurring", 0.68, 996.205882, 677.42, 101.61, 779.03),
             ("retainer", 1, 800, 800.00, 120.00, 920.00),
             ("prepaid", 10, 90, 900.00, 135.00, 1035.00),
             ("pass_through", 1, 2106, 2106.00, 315.90, 2421.90),
             ("time_material", 2, 200, 400.00, 60.00, 460.00),
             ("expense", 1, 233.64, 233.64, 35.05, 268.69),
             {"total": (16725.39, 2508.81, 19234.20)}),
            ("odoo", (7.75, 7.75), (0, 1), (0.25, 0.25), (0.33, 0.33), (0.68, 0.68), (1, 1), (10, 10), (1, 1),
             (6, 2), (1, 1)),
            ("held",),
            ("to_bill", 0),
            ("nothing", "2026-05"),
        )

    # === DAYS === #
    def test_first_and_last_day_and_late_work(self):
        """Work belongs to the month of its day; what arrives later rides on the next invoice."""
        self.play(
            self.hourly(),
            ("time", "2026-04-30", 1),
            ("time", "2026-05-01", 2),
            ("time", "2026-05-31", 4),
            ("time", "2026-06-01", 8),
            ("bill", "2026-04", ("time_material", 1, 100, 100, 15, 115)),
            ("bill", "2026-05", ("time_material", 6, 100, 600, 90, 690)),
            ("time", "2026-05-31", 0.5, {"name": "late"}),
            ("bill", "2026-06", ("time_material", 8.5, 100, 850, 127.50, 977.50)),
            ("linked", "late", "2026-06"),
            ("odoo", (15.5, 15.5)),
        )

    def test_a_work_date_is_never_shifted(self):
        """On the nights when clocks change, in zones on both sides of UTC, approved around its midnight."""
        order = self.hourly()
        table = [
            # zone, night, approved at (UTC)
            ("America/New_York", "2026-03-08", "2026-03-08 06:59:59"),
            ("America/New_York", "2026-03-08", "2026-03-09 00:00:01"),
            ("Europe/Berlin", "2026-03-29", "2026-03-28 23:30:00"),
            ("Europe/Berlin", "2026-10-25", "2026-10-25 01:30:00"),
            ("Pacific/Auckland", "2026-04-05", "2026-04-04 13:30:00"),
            ("Pacific/Auckland", "2026-09-27", "2026-09-26 14:00:00"),
            ("Pacific/Honolulu", "2026-10-31", "2026-11-01 09:59:59"),
            ("America/New_York", "2026-11-01", "2026-11-01 23:59:59"),
        ]
        for zone, night, approved in table:
            self.env.user.tz = self.ada.tz = self.preparer.tz = self.approver.tz = zone
            self.play(order, ("now", approved), ("time", night, 1, {"name": approved}))
            self.assertEqual(str(self.entries[approved].approved_at), approved)
            self.assertEqual(str(self.entries[approved].work_date), night)
            self.assertEqual(str(self.entries[approved].analytic_line_id.date), night)
        self.play(
            order,
            ("today", "2026-12-01"),
            ("bill", "2026-03", ("time_material", 3, 100, 300, 45, 345)),
            ("bill", "2026-04", ("time_material", 1, 100, 100, 15, 115)),
            ("bill", "2026-09", ("time_material", 1, 100, 100, 15, 115)),
            ("bill", "2026-10", ("time_material", 2, 100, 200, 30, 230)),
            ("bill", "2026-11", ("time_material", 1, 100, 100, 15, 115)),
            ("odoo", (8, 8)),
        )

    def test_february_with_and_without_a_leap_day(self):
        """1,000.00 a month from February 10th: 20 of 29 days in 2028, 19 of 28 in 2027; a year has 366 or 365."""
        for year, *lines in (
            (2028, ("recurring", 0.69, 999.507246, 689.66, 103.45, 793.11),
             ("recurring", 0.89, 1000.797753, 890.71, 133.61, 1024.32)),
            (2027, ("recurring", 0.68, 997.897059, 678.57, 101.79, 780.36),
             ("recurring", 0.89, 1000.460674, 890.41, 133.56, 1023.97)),
        ):
            terms = {"psa_anchor": "calendar", "psa_date_start": date(year, 2, 10)}
            order = self.make_contract(
                ("recurring", 1, 1000.0, {**terms, "psa_interval": "month"}),
                ("recurring", 1, 1000.0, {**terms, "psa_interval": "year"}))
            self.play(
                order,
                ("today", f"{year}-03-01"),
                ("bill", f"{year}-02", *lines),
                ("bill", f"{year}-03", ("recurring", 1, 1000, 1000, 150, 1150)),
            )

    # === CREDITS === #
    def test_partial_credit_then_a_new_period(self):
        """Odoo's own link would bill 9 h on the second invoice."""
        self.play(
            self.hourly(price=150.0),
            ("time", "2026-04-10", 4.5),
            ("time", "2026-05-10", 3.5),
            ("bill", "2026-05", ("time_material", 8, 150, 1200, 180, 1380)),
            ("credit", "2026-05", [3.5]),
            ("linked", "2026-04-10", "2026-05"),
            ("linked", "2026-05-10", None),
            ("odoo", (8, 4.5)),
            ("time", "2026-05-20", 1),
            ("bill", "2026-05", ("time_material", 4.5, 150, 675, 101.25, 776.25), {"name": "again"}),
            ("linked", "2026-05-10", "again"),
            ("odoo", (9, 9)),
            ("nothing", "2026-05"),
            ("today", "2026-07-01"),
            ("time", "2026-06-02", 2),
            ("bill", "2026-06", ("time_material", 2, 150, 300, 45, 345)),
            ("odoo", (11, 11)),
        )

    def test_one_of_two_lines_credited(self):
        """Odoo's own link would bill the other line again as well."""
        order = self.hourly(("time_material", 50, 200.0, {"psa_role_id": self.architect.id}), price=150.0)
        self.make_rate(200, order, role_id=self.architect.id)
        for quantities, credited, again in (
            ([7, 0], (7, 0), ("time_material", 7, 150, 1050, 157.50, 1207.50)),
            ([0, 3], (0, 3), ("time_material", 3, 200, 600, 90, 690)),
        ):
            first = not self.moves
            self.play(
                order,
                *([("time", "2026-05-04", 7), ("time", "2026-05-05", 3, {"line": 1, "who": "grace"}),
                   ("bill", "2026-05", ("time_material", 7, 150, 1050, 157.50, 1207.50),
                    ("time_material", 3, 200, 600, 90, 690))] if first else []),
                ("credit", "2026-05", quantities),
                ("odoo", (7, 7 - credited[0]), (3, 3 - credited[1])),
                ("bill", "2026-05", again, {"name": "again"}),
                ("odoo", (7, 7), (3, 3)),
                ("nothing", "2026-05"),
            )

    def test_late_amendment_partial_credit_new_period(self):
        """100 -> 110 from May 1st, half the month is billed; three hours of it credited; then June."""
        self.play(
            self.hourly(),
            ("time", "2026-04-30", 8),
            ("time", "2026-05-04", 8),
            ("time", "2026-05-05", 7.5),
            ("bill", "2026-05", ("time_material", 23.5, 100, 2350, 352.50, 2702.50)),
            ("time", "2026-05-18", 4),
            ("amend", "2026-05-01", [self.rate_change(110)]),
            ("entry", "2026-05-04", "approved", 800),
            ("entry", "2026-05-18", "approved", 440),
            ("to_bill", 440 + 155),
            ("credit", "2026-05", [3]),
            ("state", "2026-05-05", "partly"),
            ("state", "2026-05-04", "billed"),
            ("to_bill", 440 + 155 + 300),
            ("today", "2026-07-01"),
            ("time", "2026-06-02", 2),
            ("bill", "2026-06",
             ("time_material", 3, 100, 300, 45, 345),
             ("time_material", 6, 110, 660, 99, 759),
             ("adjustment", 15.5, 10, 155, 23.25, 178.25),
             {"total": (1115, 167.25, 1282.25)}),
            ("odoo", (29.5, 29.5), (15.5, 15.5)),
            ("to_bill", 0),
        )

    # === SPLIT === #
    def test_split_with_rounding_credited_and_billed_again(self):
        """8.25 h are worth 825.09; 60 : 40, the rounding to the first. The second's 330.04 are credited, then again."""
        order = self.hourly(price=100.01)
        second = self.customer.create({"name": "Difference Works", "is_company": True})
        order.psa_share_ids = [
            Command.create({"partner_id": self.customer.id, "percent": 60, "is_rounding": True}),
            Command.create({"partner_id": second.id, "percent": 40})]
        ours = ("time_material", 4.95, 100.010101, 495.05, 74.26, 569.31)
        theirs = ("time_material", 3.3, 100.012121, 330.04, 49.51, 379.55)
        self.play(
            order,
            ("time", "2026-05-04", 7.5),
            ("time", "2026-05-05", 0.5),
            ("time", "2026-05-06", 0.25),
            ("bill_split", "2026-05", ("Analytical Engines", ours), ("Difference Works", theirs)),
            ("odoo", (8.25, 8.25)),
            ("credit", "2026-05 Difference Works"),
            ("state", "2026-05-04", "partly"),
            ("to_bill", 330.04),
            ("odoo", (8.25, 4.95)),
            ("bill_split", "2026-05", ("Difference Works", theirs)),
            ("odoo", (8.25, 8.25)),
            ("credit", "2026-05 Analytical Engines"),
            ("to_bill", 495.05),
            ("time", "2026-05-07", 1),
            ("bill_split", "2026-05",
             ("Analytical Engines", ("time_material", 5.55, 100.010811, 555.06, 83.26, 638.32)),
             ("Difference Works", ("time_material", 0.4, 100, 40.00, 6.00, 46.00))),
            ("odoo", (9.25, 9.25)),
            ("to_bill", 0),
        )

    # === DRAFTS === #
    def test_drafts_deleted_reset_and_cancelled(self):
        order = self.hourly(("time_material", 50, 200.0, {"psa_role_id": self.architect.id}))
        self.make_rate(200, order, role_id=self.architect.id)
        seven, three = ("time_material", 7, 100, 700, 105, 805), ("time_material", 3, 200, 600, 90, 690)
        self.play(
            order,
            ("time", "2026-05-04", 7),
            ("time", "2026-05-05", 3, {"line": 1, "who": "grace"}),
            ("bill", "2026-05", seven, three, {"post": False}),
            ("odoo", (7, 7), (3, 3)),
            ("unlink", "2026-05"),
            ("odoo", (7, 0), (3, 0)),
            ("linked", "2026-05-04", None),
            ("bill", "2026-05", seven, three, {"post": False}),
            ("unlink_line", "2026-05", 0),
            ("odoo", (7, 0), (3, 3)),
            ("post", "2026-05"),
            ("invoice", "2026-05", three),
            ("bill", "2026-05", seven, {"name": "rest"}),
            ("linked", "2026-05-04", "rest"),
            ("linked", "2026-05-05", "2026-05"),
            ("odoo", (7, 7), (3, 3)),
            ("reset", "rest"),
            ("nothing", "2026-05"),
            ("post", "rest"),
            ("odoo", (7, 7), (3, 3)),
            ("reset", "rest"),
            ("cancel", "rest"),
            ("odoo", (7, 0), (3, 3)),
            ("bill", "2026-05", seven, {"name": "last"}),
            ("credit", "last", None, {"post": False}),
            ("nothing", "2026-05"),
            ("post", "credit last"),
            ("to_bill", 700),
            ("reset", "credit last"),
            ("to_bill", 0),
            ("unlink", "credit last"),
            ("odoo", (7, 7), (3, 3)),
            ("nothing", "2026-05"),
        )
