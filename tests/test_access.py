"""Who may do what: every model of the hub against every group, every public method, and the walls between companies."""

from datetime import date

from odoo import models
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .access_matrix import ARGUMENTS, GROUPS, HARMLESS, IMPLIED, MATRIX, OPERATIONS, WITHOUT_COMPANY
from .test_exception_holders import HolderCase


class AccessCase(HolderCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.users = {
            group: new_test_user(
                cls.env, f"access_{group}", f"psa_hub.group_{group}", company_id=cls.company.id,
                company_ids=[(6, 0, cls.company.ids)], context={"no_reset_password": True},
            )
            for group in GROUPS
        }
        cls.outsider = new_test_user(
            cls.env, "access_outsider", "base.group_user", company_id=cls.company.id,
            company_ids=[(6, 0, cls.company.ids)],
        )

    @classmethod
    def hub_models(cls):
        return sorted(
            name for name, model in cls.env.registry.items()
            if name.startswith("psa.") and not model._abstract
        )


@tagged("post_install", "-at_install")
class TestAccessMatrix(AccessCase):

    def test_every_model_is_in_the_matrix(self):
        self.assertEqual(self.hub_models(), sorted(MATRIX))

    def test_every_model_against_every_group(self):
        wrong = []
        for model_name, granted in MATRIX.items():
            for group, user in self.users.items():
                allowed = set("".join(granted.get(implied, "") for implied in IMPLIED[group]))
                for letter, operation in OPERATIONS.items():
                    has = self.env[model_name].with_user(user).has_access(operation)
                    if has != (letter in allowed):
                        wrong.append(f"{group} {'may' if has else 'may not'} {operation} {model_name}")
        self.assertFalse(wrong)

    def test_outsiders_see_nothing(self):
        for model_name in MATRIX:
            for operation in OPERATIONS.values():
                self.assertFalse(
                    self.env[model_name].with_user(self.outsider).has_access(operation), f"{operation} {model_name}")

    def test_groups_imply_each_other(self):
        for group, implied in IMPLIED.items():
            for other in GROUPS:
                self.assertEqual(
                    self.users[group].has_group(f"psa_hub.group_{other}"), other in implied, f"{group} -> {other}")


@tagged("post_install", "-at_install")
class TestCompanyWalls(AccessCase):

    def test_every_model_has_a_company_rule(self):
        Rule = self.env["ir.rule"].with_user(self.users["administrator"])
        for model_name in MATRIX:
            model = self.env[model_name]
            if model.is_transient() or model_name in WITHOUT_COMPANY or not model.with_user(
                    self.users["administrator"]).has_access("read"):
                continue
            for operation in OPERATIONS.values():
                domain = Rule._compute_domain(model_name, operation)
                self.assertFalse(domain.is_true(), f"{model_name} has no rule for companies to {operation}")

    def test_records_of_another_company_do_not_exist_for_the_user(self):
        order = self.make_contract(("time_material", 10, 0))
        rate = self.make_rate(100, order, employee_id=self.ada.id)
        entries = self.make_time(order, [8])
        exception, messages = self.hold(range(2))
        exception.sudo().user_id = self.users["operator"]
        other = self.env["res.company"].create({"name": "The other one"})
        stranger = new_test_user(
            self.env, "access_stranger", "psa_hub.group_administrator", company_id=other.id,
            company_ids=[(6, 0, other.ids)],
        )
        for records in (exception, messages, entries, rate, self.connection, self.connection.stream_ids,
                        self.connection.credential_ids, self.connection.setting_ids,
                        self.connection.stream_ids.mapping_ids):
            self.assertTrue(records, "a test of nothing proves nothing")
            as_stranger = records.with_user(stranger).with_context(allowed_company_ids=other.ids)
            self.assertFalse(as_stranger.search([("id", "in", records.ids)]), records._name)
            with self.assertRaises(AccessError):
                as_stranger.read(["display_name"])
            for user in (self.users["administrator"],):
                seen = records.with_user(user).search([("id", "in", records.ids)])
                self.assertEqual(len(seen), len(records), records._name)


class MethodCase(AccessCase):

    def public_methods(self):
        """Return ``{(model, method)}`` that the hub adds to its own models and that RPC can call."""
        inherited = set(dir(models.Model)) | set(dir(self.env.registry["mail.thread"])) | set(
            dir(self.env.registry["mail.activity.mixin"]))
        found = set()
        for model_name, model in self.env.registry.items():
            if not model_name.startswith("psa.") or model_name in ("psa.exception.banner", "psa.audited"):
                continue
            for name in dir(model):
                if name.startswith("_") or name in inherited or name in model._fields:
                    continue
                method = getattr(model, name)
                if callable(method) and not getattr(method, "_api_private", False):
                    found.add((model_name, name))
        return found

    def records(self):
        order = self.make_contract(("time_material", 10, 0))
        self.make_rate(100, order, employee_id=self.ada.id)
        exception, messages = self.hold(range(2))
        proposal = self.env["psa.proposal"].create({
            "name": "P", "order_id": order.id, "company_id": self.company.id, "partner_id": order.partner_id.id,
            "currency_id": order.currency_id.id, "period_start": "2026-05-01", "period_end": "2026-05-31",
        })
        entries = self.make_time(order, [8])
        closing = self.env["psa.closing"].create({"company_id": self.company.id})
        charged = self.make_contract(
            ("fixed_fee", 1, 100, {"psa_billing_method": "progress"}),
            ("fixed_fee", 1, 100, {"psa_billing_method": "prepaid"}))
        retainer = self.env["psa.retainer"].create({
            "name": "R", "order_id": charged.id, "fee_line_id": charged.order_line[1].id, "date_start": "2026-05-01"})
        retainer._add_by_hand(date(2026, 5, 1), 10, False, "A test")
        return {
            "psa.progress": self.env["psa.progress"].create({
                "order_line_id": charged.order_line[0].id, "date": "2026-05-01", "percent": 10}),
            "psa.retainer": retainer,
            "psa.retainer.move": retainer.move_ids[:1],
            "psa.entry": entries,
            "psa.write.down": self.env["psa.write.down"].create({
                "entry_ids": [(6, 0, entries.ids)], "reason_id": self.env.ref("psa_hub.write_down_reason_goodwill").id,
            }),
            "psa.proposal.line": self.env["psa.proposal.line"].create({
                "proposal_id": proposal.id, "entry_id": entries.id, "decision": "in"}),
            "psa.file": self.env["psa.file"].create({
                "name": "hours.csv", "stream_id": self.stream.id, "content": b"aG91cnM=", "stamp": "1"}),
            "psa.hold": self.env["psa.hold"]._put(order, "A test"),
            "psa.closing": closing,
            "psa.closing.check": closing.check_ids[:1],
            "psa.billing.run": self.env["psa.billing.run"].create({"company_ids": [(6, 0, self.company.ids)]}),
            "psa.amendment": self.env["psa.amendment"].create({
                "order_id": order.id, "name": "A", "change_ids": [(0, 0, {"kind": "rate", "amount": 1})]}),
            "psa.rate.card": self.env["psa.rate.card"].create({"name": "Card", "company_id": self.company.id}),
            "psa.binding": self.env["psa.binding"].create({
                "connection_id": self.connection.id, "object_type": "Account", "external_id": "A-split",
                "canonical_type": "party", "res_model": "res.partner", "res_id": order.partner_id.id}),
            "psa.exception": exception,
            "psa.exception.cause": exception.cause_id,
            "psa.exception.job": self.env["psa.exception.job"].create({
                "kind": "retry", "company_id": self.company.id, "user_id": self.env.uid,
                "exception_ids": exception.ids}),
            "psa.message": messages,
            "psa.message.change": self.env["psa.message.change"].create({
                "message_id": messages[0].id, "company_id": self.company.id, "path": ["Name"], "old_value": '"Dana"',
                "new_value": '"Dora"', "reason": "A test", "user_id": self.env.uid, "state": "asked"}),
            "psa.proposal": proposal,
            "psa.legal.hold": self.env["psa.legal.hold"].create({
                "order_id": order.id, "company_id": self.company.id, "reason": "A test"}),
            "psa.erasure": self.env["psa.erasure"].create({
                "employee_id": self.ada.id, "company_id": self.company.id, "reason": "A test"}),
            "psa.support.access": self.env["psa.support.access"].create({
                "user_id": self.outsider.id, "group_id": self.env.ref("psa_hub.group_auditor").id,
                "company_id": self.company.id, "reason": "A test"}),
            "psa.connection": self.connection,
            "psa.stream": self.stream,
            "psa.mapping": self.connection.stream_ids.mapping_ids[:1],
            "psa.mapping.line": self.connection.stream_ids.mapping_ids[:1].line_ids[:1],
            "psa.mapping.simulation": self.env["psa.mapping.simulation"].create({
                "mapping_id": self.connection.stream_ids.mapping_ids[:1].id}),
            "psa.value.map": self.env["psa.value.map"].create({"domain": "role", "source_value": "Consultant"}),
            "psa.credential": self.connection.credential_ids[:1],
        }


@tagged("post_install", "-at_install")
class TestEveryModelBehindItsWall(MethodCase):
    """model x group x company x operation, with a row of each model."""

    def test_every_group_of_another_company_against_every_row(self):
        self.records()
        self.env["psa.audit"]._seal_all()
        other = self.env["res.company"].create({"name": "The other one"})
        strangers = {
            group: new_test_user(
                self.env, f"stranger_{group}", f"psa_hub.group_{group}", company_id=other.id,
                company_ids=[(6, 0, other.ids)], context={"no_reset_password": True})
            for group in GROUPS
        }
        wrong, seen = [], set()
        for model_name in MATRIX:
            model = self.env[model_name].sudo().with_context(active_test=False)
            if model.is_transient() or model_name in WITHOUT_COMPANY or "company_id" not in model._fields:
                continue
            row = model.search([("company_id", "=", self.company.id)], limit=1)
            if not row:
                continue
            seen.add(model_name)
            for group, user in strangers.items():
                allowed = set("".join(MATRIX[model_name].get(implied, "") for implied in IMPLIED[group]))
                for letter, operation in OPERATIONS.items():
                    if row.with_user(user).with_context(allowed_company_ids=other.ids).has_access(operation):
                        wrong.append(f"{group} of another company may {operation} {model_name}")
                    at_home = row.with_user(self.users[group]).with_context(allowed_company_ids=self.company.ids)
                    if at_home.has_access(operation) and letter not in allowed:
                        wrong.append(f"{group} may {operation} a row of {model_name}")
        self.assertFalse(wrong)
        self.assertGreater(len(seen), 28, sorted(seen))  # the others: test_every_model_has_a_company_rule


@tagged("post_install", "-at_install")
class TestPublicMethods(MethodCase):
    """Whatever can be called from outside refuses a user who may only look."""

    def test_an_auditor_changes_nothing(self):
        records = self.records()
        auditor = self.users["auditor"]
        tested, let_through = [], []
        for model_name, name in sorted(self.public_methods() - HARMLESS):
            model = self.env[model_name].with_user(auditor)
            if model.is_transient():
                self.assertFalse(model.has_access("create"), f"{model_name}.{name}")
                continue
            self.assertIn(model_name, records, f"add a record for {model_name}.{name}")
            try:
                getattr(records[model_name].with_user(auditor), name)(*ARGUMENTS.get(name, ()))
            except AccessError:
                tested.append((model_name, name))
            else:
                let_through.append(f"{model_name}.{name}")
        self.assertFalse(let_through)
        self.assertGreater(len(tested), 15)
