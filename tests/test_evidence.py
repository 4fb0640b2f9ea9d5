"""The evidence of an invoice: what is in the pack, that it stays what it was, who may have it; and the ways through."""

import base64
import csv
import io
import json
import zipfile
from datetime import date
from decimal import Decimal

from pypdf import PdfReader

from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, tagged

from ..models.billing.evidence_pack import InvoiceFacts, build_pack, check_pack, safe_name
from .billing_common import BillingCase


def opened(evidence):
    return zipfile.ZipFile(io.BytesIO(evidence.sudo().attachment_id.raw))


@tagged("post_install", "-at_install")
class TestEvidence(BillingCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.order = cls.make_contract(
            ("time_material", 100, 150.0, {"psa_role_id": cls.consultant.id}), ("expense", 0, 0.0),
            psa_purchase_order="PO-4711")
        cls.make_rate(133.33, cls.order, role_id=cls.consultant.id)

    def make_pack(self):
        self.entries = self.make_time(self.order, [(date(2026, 5, 4), 0.25), (date(2026, 5, 5), 2)])
        self.entries[0].narrative = "=SUM(A1) workshop with Łukasz"
        self.move = self.bill(self.order)
        self.move.with_user(self.preparer).action_psa_evidence()
        return self.move.psa_evidence_ids

    def test_the_pack_lets_a_clerk_recompute_the_invoice(self):
        evidence = self.make_pack()
        pack = opened(evidence)
        rows = list(csv.DictReader(io.StringIO(pack.read("entries.csv").decode("utf-8-sig"))))
        self.assertEqual([(row["date"], row["quantity"], row["rate"], row["amount_on_this_invoice"]) for row in rows], [
            ("2026-05-04", "0.25", "133.33", "33.33"), ("2026-05-05", "2", "133.33", "266.66")])
        self.assertEqual(sum(Decimal(row["amount_on_this_invoice"]) for row in rows),
                         Decimal(str(self.move.amount_untaxed)))
        self.assertIn("rule: hours times rate; hours: 0.25; rate: 133.33", rows[0]["why_this_amount"])
        self.assertIn("tried: project person role, project person, project role, contract person role, contract person",
                      rows[0]["why_this_amount"])
        # A text that a spreadsheet would run as a formula is disarmed.
        self.assertEqual(rows[0]["text"], "'=SUM(A1) workshop with Łukasz")
        text = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pack.read("evidence.pdf"))).pages)
        for words in (self.move.name, "Analytical Engines", "PO-4711", "33.33", "266.66", "Łukasz", "approver"):
            self.assertIn(words, text)

    def test_receipts_are_in_the_pack_and_every_file_is_hashed(self):
        expense = self.env["hr.expense"].create({
            "name": "Taxi", "employee_id": self.ada.id, "product_id": self.env["product.product"].create({
                "name": "Travel", "can_be_expensed": True, "standard_price": 0, "type": "service"}).id,
            "total_amount_currency": 20.0, "date": date(2026, 5, 6), "company_id": self.company.id,
        })
        self.env["ir.attachment"].create([
            {"name": "../receipt.txt", "raw": b"twenty", "res_model": "hr.expense", "res_id": expense.id},
            {"name": "receipt.txt", "raw": b"again", "res_model": "hr.expense", "res_id": expense.id},
        ])
        self.env["psa.entry"]._sync("expense", [{
            "source": expense, "order_id": self.order.id, "work_date": expense.date, "quantity": Decimal(1),
            "fixed_amount": Decimal(20), "description": "Taxi", "approved": True,
        }])
        pack = opened(self.make_pack())
        self.assertEqual(sorted(pack.namelist()), [
            "entries.csv", "evidence.pdf", "manifest.json", "receipts/receipt (2).txt", "receipts/receipt.txt"])
        self.assertEqual(pack.read("receipts/receipt.txt"), b"twenty")
        listed = {entry["name"] for entry in json.loads(pack.read("manifest.json"))["files"]}
        self.assertEqual(listed, set(pack.namelist()) - {"manifest.json"})

    def test_amendments_and_their_signed_papers_are_in_the_pack(self):
        amendment = self.env["psa.amendment"].create({
            "order_id": self.order.id, "name": "Rates from May", "date_effective": date(2026, 5, 1),
            "clause": "Change order 1", "terms": "The rate is 140.00", "signed_on": date(2026, 4, 28),
            "signed_by": "M. Okafor", "document": base64.b64encode(b"signed"), "document_name": "change-order.pdf",
            "change_ids": [(0, 0, {"kind": "rate", "role_id": self.consultant.id, "amount": 140.0})],
        })
        amendment.with_user(self.approver).action_put_in_force()
        pack = opened(self.make_pack())
        self.assertEqual(pack.read("receipts/change-order.pdf"), b"signed")
        text = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pack.read("evidence.pdf"))).pages)
        for words in ("Change order 1", "The rate is 140.00", "Signed by M. Okafor", "280.00"):
            self.assertIn(words, text)

    def test_a_changed_pack_is_found(self):
        evidence = self.make_pack()
        evidence.with_user(self.preparer).action_verify()
        self.assertEqual(evidence.verified, "intact")
        evidence.attachment_id.raw = build_pack(InvoiceFacts("INV/1", [("Customer", "Somebody else")], []))
        evidence.with_user(self.preparer).action_verify()
        self.assertEqual(evidence.verified, "changed")
        with self.assertRaises(AccessError):
            evidence.with_user(self.approver).write({"sha256": "0"})

    def test_a_second_pack_is_a_new_version_and_the_first_one_stays(self):
        first = self.make_pack()
        kept = first.attachment_id.raw
        self.move.with_user(self.preparer).action_psa_evidence()
        self.assertEqual(sorted(self.move.psa_evidence_ids.mapped("version")), [1, 2])
        self.assertEqual(first.attachment_id.raw, kept)
        # The same facts give the same bytes.
        self.assertEqual(len(set(self.move.psa_evidence_ids.mapped("sha256"))), 1)

    def test_only_what_is_posted_and_billed_here_has_evidence(self):
        self.make_time(self.order, [1])
        draft = self.bill(self.order, post=False)
        with self.assertRaises(UserError):
            draft.with_user(self.preparer).action_psa_evidence()

    def test_ways_through(self):
        self.make_pack()
        [line] = self.move.invoice_line_ids.filtered("psa_entry_count")
        self.assertEqual(line.psa_entry_count, 2)
        action = line.with_user(self.preparer).action_psa_line_entries()
        self.assertEqual(self.env["psa.entry"].search(action["domain"]), self.entries.sorted("work_date", reverse=True))
        self.assertEqual(self.entries[0].action_open_invoices()["res_id"], self.move.id)
        self.assertEqual(self.entries[0].action_open_source_record()["res_id"], self.entries[0].analytic_line_id.id)
        with self.assertRaises(UserError):
            self.entries[0].action_open_payments()
        connection = self.env["psa.connection"].create({
            "name": "Evidence source", "connector_code": "salesforce", "company_id": self.company.id,
            "environment": "sandbox"})
        self.env["psa.binding"].create({
            "connection_id": connection.id, "object_type": "day", "external_id": "a01:2026-05-04", "part_of": "a01",
            "canonical_type": "time", "res_model": "account.analytic.line",
            "res_id": self.entries[0].analytic_line_id.id})
        self.env.invalidate_all()
        self.assertEqual(self.entries[0].external_id, "a01:2026-05-04")
        for wanted in ([("external_id", "=", "a01")], [("external_id", "ilike", "a01:2026")]):
            self.assertEqual(self.env["psa.entry"].search(wanted), self.entries[0])


@tagged("post_install", "-at_install")
class TestEvidencePortal(HttpCase, BillingCase):

    def test_the_customer_downloads_it_with_the_link_of_the_invoice_only(self):
        order = self.make_contract(("time_material", 100, 150.0, {"psa_role_id": self.consultant.id}))
        self.make_rate(100, order, role_id=self.consultant.id)
        self.make_time(order, [2])
        move = self.bill(order)
        url = move.get_portal_url(suffix="/evidence")
        self.env.cr.flush()
        answer = self.url_open(url)
        self.assertEqual((answer.status_code, answer.headers["Content-Type"]), (200, "application/zip"))
        self.assertFalse(check_pack(answer.content))
        page = self.url_open(move.get_portal_url())
        self.assertIn("/evidence?access_token=", page.text)
        refused = self.url_open(f"/my/invoices/{move.id}/evidence?access_token=wrong", allow_redirects=False)
        self.assertEqual(refused.status_code, 303)
        self.company.psa_evidence_in_portal = False
        self.env.cr.flush()
        self.assertEqual(self.url_open(url).status_code, 404)
        self.assertNotIn("/evidence?access_token=", self.url_open(move.get_portal_url()).text)

    def test_people_of_other_companies_do_not_get_it(self):
        order = self.make_contract(("time_material", 100, 150.0, {"psa_role_id": self.consultant.id}))
        self.make_rate(100, order, role_id=self.consultant.id)
        self.make_time(order, [2])
        evidence = self.env["psa.evidence"]._make(self.bill(order))
        self.authenticate("preparer", "preparer")
        self.assertEqual(self.url_open(f"/psa_hub/evidence/{evidence.id}").status_code, 200)
        other = self.env["res.company"].create({"name": "Elsewhere"})
        self.preparer.write({"company_ids": [(6, 0, other.ids)], "company_id": other.id})
        self.env.cr.flush()
        self.assertEqual(self.url_open(f"/psa_hub/evidence/{evidence.id}").status_code, 404)


@tagged("post_install", "-at_install")
class TestPackNames(BillingCase):

    def test_names_of_files_cannot_leave_the_pack(self):
        for name, safe in [
            ("../../etc/passwd", "passwd"), ("C:\\a\\b.pdf", "b.pdf"), ("..", "file"), ("a:b?.pdf", "a_b_.pdf"),
        ]:
            self.assertEqual(safe_name(name), safe)
        pack = build_pack(InvoiceFacts("INV/1", [("Customer", "X")], [], files=[("x.pdf", b"1"), ("x.pdf", b"2")]))
        self.assertEqual(check_pack(pack), [])
