"""What the desk costs the database does not grow with what is on it."""

from odoo.tests import tagged

from .desk_common import DeskCase

CARD = {"name": {}, "sentence": {}, "open_count": {}, "open_amount": {}, "oldest": {}, "unassigned_count": {},
        "currency_id": {"fields": {"display_name": {}}}, "user_id": {"fields": {"display_name": {}}}}
ROW = {"name": {}, "cause_id": {"fields": {"display_name": {}}}, "amount": {}, "currency_id": {}, "state": {},
       "partner_id": {"fields": {"display_name": {}}}, "order_id": {"fields": {"display_name": {}}},
       "project_id": {"fields": {"display_name": {}}}, "period_from": {}, "period_to": {}, "date_due": {},
       "holder_count": {}, "user_id": {"fields": {"display_name": {}}}, "is_open": {}}
CAUSES = ("unknown_person", "invalid_data", "missing_rate", "unmapped_value")


@tagged("post_install", "-at_install")
class TestDeskQueries(DeskCase):

    def raised(self, numbers, causes=CAUSES):
        raised = self.env["psa.exception"]._raise([
            {"cause": causes[number % len(causes)], "subject_key": f"many:{number}", "text": f"Number {number}.",
             "company_id": self.company.id, "amount": number, "order_id": self.order.id} for number in numbers])
        return self.env["psa.exception"].union(*raised.values())

    def queries(self, work):
        """Return how many statements ``work()`` takes with an empty cache."""
        self.env.flush_all()
        self.env.invalidate_all()
        before = self.env.cr.sql_log_count
        work()
        self.env.flush_all()
        return self.env.cr.sql_log_count - before

    def assert_flat(self, few, many, more=0):
        """Few and many records take the same number of statements (``more`` above that)."""
        self.assertLessEqual(many, few + more)

    def cards(self):
        self.env["psa.exception.cause"].with_user(self.preparer).web_search_read([("has_open", "=", True)], CARD)

    def rows(self):
        self.env["psa.exception"].with_user(self.preparer).web_search_read([("is_open", "=", True)], ROW, limit=80)

    def test_cards_and_rows(self):
        self.raised(range(2))
        self.cards()  # fills the caches of rules and rights
        self.rows()
        few = self.queries(self.cards), self.queries(self.rows)
        self.raised(range(2, 90))
        self.assert_flat(few[0], self.queries(self.cards))
        self.assert_flat(few[1], self.queries(self.rows), more=1)  # a full page has to be counted

    def test_raising_counting_and_waiving(self):
        self.raised([1000])._waive("Warm")
        for _again in range(2):  # new ones, then the same ones once more
            self.assert_flat(
                self.queries(lambda: self.raised(range(1))), self.queries(lambda: self.raised(range(1, 60))))
        few, many = self.raised(range(2)), self.raised(range(2, 60))
        self.assert_flat(self.queries(few._refresh_amounts), self.queries(many._refresh_amounts))
        self.assert_flat(self.queries(lambda: few._waive("Test")), self.queries(lambda: many._waive("Test")))

    def test_assigning(self):
        self.raised([1000]).with_user(self.reviewer).action_assign(self.preparer.id)
        few, many = (self.raised(numbers).with_user(self.reviewer) for numbers in (range(2), range(2, 50)))
        self.assert_flat(
            self.queries(lambda: few.action_assign(self.preparer.id)),
            self.queries(lambda: many.action_assign(self.preparer.id)), more=8)

    def test_what_one_link_releases(self):
        counts = []
        for size in (3, 3, 90):  # the first one fills the caches
            person = f"R{len(counts)}"
            messages = self.receive("hour", *(
                self.hours(f"{person}-{number}", resource=person) for number in range(size)))
            self.receive("resource", (person, "1", {}, "delete"))
            exception = messages.exception_id
            self.assertEqual(exception.holder_count, size)
            counts.append(self.queries(lambda exception=exception: exception._link_to(self.ada)))
            self.assertEqual((exception.state, set(messages.mapped("state"))), ("resolved", {"done"}))
        self.assert_flat(counts[1], counts[2], more=12)
