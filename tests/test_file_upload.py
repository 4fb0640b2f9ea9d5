# pylint: disable=invalid-commit  # on the tests' cursor, which rolls it back
"""Files that people upload: preview, storing at once and in chunks, and the way of their rows through the inbox."""

import base64
import csv
import io
import os
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, TransactionCase, new_test_user, tagged

from ..connectors.files.columns import template
from ..connectors.files.folder import ROOT_VARIABLE
from ..models.sync import psa_file

HEADER = "id;date;person;project;hours;description;role;billable;approved;amount;currency"


def row(row_id, hours="7,5", person="ada@firm.example", project="Portal", role="", amount="100", day="2026-05-04"):
    return f"{row_id};{day};{person};{project};{hours};Forms;{role};yes;yes;{amount};EUR"


@tagged("post_install", "-at_install")
class TestFileUpload(TransactionCase):

    def setUp(self):
        super().setUp()
        self.addCleanup(self.registry.clear_cache)
        self.registry_enter_test_mode()
        cr = self.registry.cursor()
        self.addCleanup(cr.close)
        self.env = self.env(cr=cr)
        self.connection = self.env["psa.connection"].create({"name": "Uploads", "connector_code": "files"})
        self.company = self.connection.company_id
        self.ada = self.env["hr.employee"].create({
            "name": "Ada Byron", "work_email": "ada@firm.example", "barcode": "B17", "company_id": self.company.id})
        self.project = self.env["project.project"].create({"name": "Portal", "company_id": self.company.id})
        self.env.cr.commit()

    def stream(self, code):
        return self.connection.stream_ids.filtered(lambda item: item.code == code)

    def wizard(self, *lines, code="time", name="hours.csv"):
        return self.env["psa.file.upload"].create({
            "connection_id": self.connection.id, "stream_id": self.stream(code).id, "name": name,
            "content": base64.b64encode("\n".join(lines).encode())})

    def upload(self, *lines, **options):
        """Store a file and return its ``psa.file``."""
        wizard = self.wizard(*lines, **options)
        wizard.action_preview()
        self.assertFalse(wizard.failure)
        return self.env["psa.file"].browse(wizard.action_store()["res_id"])

    def messages(self, code="time"):
        return self.env["psa.message"].search([("stream_id", "=", self.stream(code).id)], order="id")

    def drain(self, lane):
        self.env.cr.commit()
        self.env["psa.lane"]._drain(lane, stand_by=0)
        self.env.invalidate_all()

    # === PREVIEW === #

    def test_a_preview_counts_and_stores_nothing(self):
        wizard = self.wizard(HEADER, row("T1"), row("T2"), row("T3", hours="1,234"), row("T4", person="nobody"),
                             row("T5", role="Wizard"))
        wizard.action_preview()
        self.assertEqual((wizard.state, wizard.row_count, wizard.new_count), ("preview", 5, 5))
        self.assertEqual(wizard.problem_count, 3)
        self.assertEqual(wizard.amount, "400.00 EUR", "an unreadable row has no amount")
        self.assertEqual(wizard.problem_amount, "200.00 EUR")
        for told in ("hours.csv, row 4", "can mean 1234 or 1.234", "hours.csv, row 5: the employee “nobody”",
                     "hours.csv, row 6: nobody has said yet what the", "“Wizard”"):
            self.assertIn(told, wizard.problems_html)
        self.assertIn("7.5", wizard.rows_html)
        self.assertIn("<td>yes</td>", wizard.rows_html)
        self.assertIn("<td>row 2</td>", wizard.rows_html)
        self.assertFalse(self.messages())
        self.assertFalse(self.env["psa.file"].search([("connection_id", "=", self.connection.id)]))

    def test_what_many_rows_name_is_told_once(self):
        wizard = self.wizard(HEADER, *[row(f"T{number}", person="nobody") for number in range(4)])
        wizard.action_preview()
        self.assertEqual(wizard.problem_count, 4)
        self.assertEqual(wizard.problems_html.count("<li>"), 1)
        self.assertIn("hours.csv, row 2 and 3 more rows: the employee “nobody”", wizard.problems_html)

    def test_what_a_file_says_is_no_markup(self):
        wizard = self.wizard(HEADER, row("T1", project="<script>x</script>"))
        wizard.action_preview()
        self.assertNotIn("<script>", wizard.rows_html)
        self.assertNotIn("<script>", wizard.problems_html)

    def test_an_id_in_two_rows_is_pointed_out(self):
        wizard = self.wizard(HEADER, row("T1"), row("T1", hours="8"))
        wizard.action_preview()
        self.assertEqual(wizard.problem_count, 1)
        self.assertIn("row 3: the id “T1” stands in hours.csv, row 2 too", wizard.problems_html)

    def test_a_file_that_cannot_be_read_is_not_stored(self):
        wizard = self.wizard("date;hours", "2026-05-04;8")
        wizard.action_preview()
        self.assertIn("lacks columns: person, project, billable, approved", wizard.failure)
        with self.assertRaisesRegex(UserError, "readable"):
            wizard.action_store()

    def test_new_changed_and_unchanged_rows_are_told_apart(self):
        self.upload(HEADER, row("T1"), row("T2"))
        wizard = self.wizard(HEADER, row("T2"), row("T1", hours="8"), row("T3"), name="again.csv")
        wizard.action_preview()
        self.assertEqual((wizard.new_count, wizard.changed_count, wizard.unchanged_count), (1, 1, 1))

    # === STORING === #

    def test_the_same_file_twice_is_stored_once(self):
        first = self.upload(HEADER, row("T1"), row("T2"))
        self.assertEqual((first.state, first.row_count, first.stored_count, first.progress), ("done", 2, 2, 100))
        second = self.upload(HEADER, row("T1"), row("T2"))
        self.assertEqual((second.state, second.done_count, second.stored_count), ("done", 2, 0))
        self.assertEqual(self.messages().mapped("origin"), ["file", "file"])

    def test_a_value_that_comes_back_is_stored_again(self):
        for hours in ("7", "8", "7"):
            self.upload(HEADER, row("T1", hours=hours))
        versions = self.messages().mapped("source_version")
        self.assertEqual(len(versions), 3)
        self.assertEqual(versions, sorted(versions))

    def test_customers_become_partners_and_a_correction_changes_them(self):
        self.upload("id;name;city", "K-1;Nova;Hamburg", code="customer", name="customers.csv")
        self.drain("master")
        message = self.messages("customer")
        self.assertEqual(message.state, "done", message.error)
        self.upload("id;name;city", "K-1;Nova SE;Kiel", code="customer", name="customers.csv")
        self.drain("master")
        partner = self.env["res.partner"].search([("name", "=", "Nova SE")])
        self.assertEqual(partner.city, "Kiel")
        self.assertFalse(self.env["res.partner"].search([("name", "=", "Nova")]))

    def test_what_is_held_names_file_and_row(self):
        self.upload(HEADER, row("T1", person="nobody@firm.example"), row("T2", hours="1.234"),
                    row("T3", day="2026-05-04"). replace("EUR", "EURO"))
        self.drain("transaction")
        unknown, ambiguous, currency = self.messages()
        self.assertEqual(self.messages().mapped("state"), ["held"] * 3)
        self.assertIn("hours.csv, row 2 names the employee “nobody@firm.example”", unknown.error)
        self.assertIn("hours.csv, row 3: in the column “hours”, “1.234” can mean 1234 or 1.234", ambiguous.error)
        self.assertIn("hours.csv, row 4 cannot be used: “Currency”", currency.error)

    def test_a_folder_s_bad_file_is_held_until_a_good_one_takes_its_place(self):
        with tempfile.TemporaryDirectory() as root, patch.dict(os.environ, {ROOT_VARIABLE: root}):
            folder = Path(root) / "firm" / "customer"
            folder.mkdir(parents=True)
            self.connection.settings = {"folder": "firm"}
            self.connection._check()
            self.assertEqual(self.connection.state, "connected", self.connection.check_text)
            for age, content, held in ((900, "name\nNova\n", ["held"]), (600, "id;name\nK-1;Nova\n", [])):
                path = folder / "bad.csv"
                path.write_text(content)
                os.utime(path, (time.time() - age, time.time() - age))
                self.stream("customer")._pull()
                self.drain("master")
                self.assertEqual([message.state for message in self.messages("customer")
                                  if message.state not in ("done", "skipped")], held)
            exceptions = self.env["psa.exception"].search([("connection_id", "=", self.connection.id)])
            self.assertIn("bad.csv lacks columns: id", exceptions.name)
            self.assertEqual(exceptions.state, "resolved")
            self.assertEqual(self.env["res.partner"].search_count([("name", "=", "Nova")]), 1)

    def test_a_rate_waits_for_its_customer(self):
        self.upload("id;customer;person;amount;currency", f"R1;K-7;B17;140,50;{self.company.currency_id.name}",
                    code="rate", name="rates.csv")
        self.drain("master")
        self.stream("customer")._fetch_hinted()
        self.drain("master")
        message = self.messages("rate")
        self.assertEqual(message.state, "held")
        self.assertIn("rates.csv, row 2 names the customer Customer K-7", message.error)
        self.upload("id;name", "K-7;Nova Seven", code="customer", name="customers.csv")
        self.drain("master")
        self.assertEqual(message.state, "done", message.error)
        partner = self.env["res.partner"].search([("name", "=", "Nova Seven")])
        self.assertEqual(self.env["psa.rate"].search([("partner_id", "=", partner.id)]).amount, 140.5)

    def test_a_cost_is_the_person_s(self):
        self.upload("person;starts_on;amount;currency", f"B17;2026-01-01;62.40;{self.company.currency_id.name}",
                    code="cost", name="costs.csv")
        self.drain("master")
        self.assertEqual(self.messages("cost").state, "done", self.messages("cost").error)
        bound = self.env["psa.binding"].search([("connection_id", "=", self.connection.id),
                                                ("object_type", "=", "Cost")])
        self.assertEqual(self.env[bound.res_model].browse(bound.res_id).employee_id, self.ada)

    def test_people_and_projects_are_found_by_what_people_call_them(self):
        self.upload(HEADER, *[row(f"T{number}", person=person, project="PORTAL")
                              for number, person in enumerate(("ADA@firm.example", "B17", "ada byron"))])
        self.drain("transaction")
        for message in self.messages():
            self.assertNotIn("does not stand for", message.error or "")
        bound = self.env["psa.binding"].search([("connection_id", "=", self.connection.id),
                                                ("object_type", "in", ("Person", "Project"))])
        self.assertEqual({(item.res_model, item.res_id) for item in bound if not item.alias_of_id}, {
            ("hr.employee", self.ada.id), ("project.project", self.project.id)})

    # === LARGE FILES === #

    def large(self, count=25):
        with patch.object(psa_file, "AT_ONCE", 5), patch.object(psa_file, "CHUNK", 10):
            return self.upload(HEADER, *[row(f"T{number}") for number in range(count)])

    def run_job(self):
        with patch.object(psa_file, "CHUNK", 10):
            self.env["psa.file"]._cron_jobs()
        self.env.invalidate_all()

    def test_a_large_file_is_stored_by_the_job(self):
        file = self.large()
        self.assertEqual((file.state, file.done_count), ("running", 0))
        self.assertFalse(self.messages())
        self.env.cr.commit()
        self.run_job()
        self.assertEqual((file.state, file.done_count, file.stored_count), ("done", 25, 25))
        self.assertEqual(len(self.messages()), 25)

    def test_a_killed_job_goes_on_with_the_next_row(self):
        file = self.large()
        self.env.cr.commit()
        receive, calls = type(self.env["psa.message"])._receive, []

        def killed(model, *arguments):
            calls.append(arguments)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return receive(model, *arguments)

        with patch.object(type(self.env["psa.message"]), "_receive", killed):
            try:  # assertRaises would put a savepoint around, which the job's commits end
                self.run_job()
            except KeyboardInterrupt:
                self.env.cr.rollback()
        self.assertEqual(len(calls), 2)
        self.env.invalidate_all()
        self.assertEqual((file.state, file.done_count, len(self.messages())), ("running", 10, 10))
        self.assertEqual(file.progress, 40)
        self.run_job()
        self.assertEqual((file.state, file.done_count, len(self.messages())), ("done", 25, 25))

    def test_a_cancelled_file_stores_no_further_rows_and_can_go_on(self):
        file = self.large()
        file.action_cancel()
        self.env.cr.commit()
        self.run_job()
        self.assertEqual((file.state, len(self.messages())), ("cancelled", 0))
        file.action_resume()
        self.env.cr.commit()
        self.run_job()
        self.assertEqual((file.state, len(self.messages())), ("done", 25))

    def test_a_file_that_breaks_off_says_where(self):
        with patch.object(psa_file, "AT_ONCE", 1):
            wizard = self.wizard(HEADER, row("T1"), row("T2"))
            wizard.action_preview()
            file = self.env["psa.file"].browse(wizard.action_store()["res_id"])
        content = "\n".join((HEADER, row("T1"))).encode() + b"\nT2;B\xfcro"
        file.sudo().content = base64.b64encode(content)
        self.env.cr.commit()
        self.run_job()
        self.assertEqual((file.state, file.done_count), ("failed", 1))
        self.assertIn("line 3 is not UTF-8", file.error)

    # === DOWNLOADS AND RIGHTS === #

    def test_templates_are_what_uploads_read(self):
        for stream in self.connection.stream_ids.filtered(lambda item: item.direction == "in"):
            wizard = self.env["psa.file.upload"].create({
                "connection_id": self.connection.id, "stream_id": stream.id})
            self.assertIn(f"/{wizard.id}/download/{stream.code}.csv", wizard.action_template()["url"])
            content = base64.b64decode(wizard.download)
            self.assertEqual(content, template(stream.code))
            wizard.write({"content": wizard.download, "name": "template.csv"})
            wizard.action_preview()
            self.assertFalse(wizard.failure)
            self.assertEqual(wizard.row_count, 1)

    def test_what_was_billed_can_be_downloaded(self):
        stream = self.connection.stream_ids.filtered(lambda item: item.direction == "out")
        payload = '{"event": "posted", "invoiced": true, "invoice_number": "INV/1", "invoice_date": "2026-05-31"}'
        self.env["psa.message"].sudo()._insert(
            stream, "out", "hub", {"key": ("Time", "T1", "", "push", payload, "hash", "outbound")})
        wizard = self.env["psa.file.upload"].create({"connection_id": self.connection.id})
        wizard.action_billed()
        (line,) = csv.DictReader(io.StringIO(base64.b64decode(wizard.download).decode("utf-8-sig")))
        self.assertEqual((line["id"], line["invoice_number"], line["invoiced"]), ("T1", "INV/1", "yes"))

    def test_a_file_that_names_an_erased_person_is_dropped(self):
        mine, other, unreadable = (
            self.upload(HEADER, row("T1")), self.upload(HEADER, row("T2", person="bob@firm.example")),
            self.upload(HEADER, row("T3")))
        self.env["ir.attachment"].search([
            ("res_model", "=", "psa.file"), ("res_field", "=", "content"), ("res_id", "=", unreadable.id),
        ]).raw = b"\x00 about ada@firm.example"
        self.company.psa_allow_self_approval = True
        erasure = self.env["psa.erasure"].create({
            "employee_id": self.ada.id, "company_id": self.company.id, "reason": "Request 7"})
        erasure.action_erase()
        erasure._cron_erase()
        self.env.invalidate_all()
        self.assertEqual((erasure.state, erasure.file_count), ("done", 2))
        self.assertEqual([bool(file.content) for file in (mine, other, unreadable)], [False, True, False])
        self.assertEqual(self.messages().mapped("state"), ["pending"] * 3, "the rows stay, without the person")
        self.assertNotIn("ada@firm.example", self.messages().mapped("payload")[0])

    def test_an_operator_uploads_and_an_auditor_does_not(self):
        operator, auditor = (new_test_user(
            self.env, f"file_{group}", f"psa_hub.group_{group}", company_id=self.company.id,
            company_ids=[(6, 0, self.company.ids)]) for group in ("operator", "auditor"))
        wizard = self.env["psa.file.upload"].with_user(operator).create({
            "connection_id": self.connection.id, "stream_id": self.stream("time").id, "name": "hours.csv",
            "content": base64.b64encode("\n".join((HEADER, row("T1"))).encode())})
        wizard.action_preview()
        file = self.env["psa.file"].browse(wizard.action_store()["res_id"])
        self.assertEqual(file.user_id, operator)
        with self.assertRaises(AccessError):  # it may name people
            file.with_user(operator).read(["content"])
        with self.assertRaises(AccessError):
            file.with_user(operator).state = "running"
        with self.assertRaises(AccessError):
            self.env["psa.file.upload"].with_user(auditor).create({"connection_id": self.connection.id})
        with self.assertRaises(AccessError):
            file.with_user(auditor).action_cancel()


@tagged("post_install", "-at_install")
class TestFileUploadHttp(HttpCase):

    def test_a_template_comes_down_the_wire(self):
        connection = self.env["psa.connection"].create({"name": "Uploads", "connector_code": "files"})
        user = new_test_user(self.env, "file_http", "psa_hub.group_operator")
        wizard = self.env["psa.file.upload"].with_user(user).create({
            "connection_id": connection.id,
            "stream_id": connection.stream_ids.filtered(lambda item: item.code == "time").id})
        address = wizard.action_template()["url"]
        self.authenticate("file_http", "file_http")
        answer = self.url_open(address)
        self.assertEqual(answer.status_code, 200)
        self.assertEqual(answer.content, template("time"))
        self.assertIn("time.csv", answer.headers["Content-Disposition"])
