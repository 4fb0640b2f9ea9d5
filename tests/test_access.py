"""Who may do what: every model of the hub against every group, every public method, and the walls between companies."""

from datetime import date

from odoo import models
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .test_exception_holders import HolderCase

GROUPS = ("auditor", "operator", "reviewer", "approver", "mapper", "administrator")

# What each group adds to reading, by model: letters of read, write, create, unlink. A group that is not named has what
# the groups that it implies have. "-" is nothing at all. A new model has to be entered here.
MATRIX = {
    "psa.accrual": {"auditor": "r"},
    "psa.agreement": {"auditor": "r"},
    "psa.allocation": {"auditor": "r"},
    "psa.amendment": {"auditor": "r", "operator": "rwcu"},
    "psa.amendment.change": {"auditor": "r", "operator": "rwcu"},
    "psa.amendment.refuse": {"reviewer": "rwcu"},
    "psa.apply.total": {"auditor": "r"},
    "psa.apply.turn": {"auditor": "r"},
    "psa.assignment": {"auditor": "r", "mapper": "rwcu"},
    "psa.audit": {"auditor": "r"},
    "psa.audit.block": {"auditor": "r"},
    "psa.audit.export": {"auditor": "rwcu"},
    "psa.billing.run": {"auditor": "r", "operator": "rwcu"},
    "psa.billing.run.line": {"auditor": "r"},
    "psa.billing.share": {"auditor": "r", "reviewer": "rwcu", "mapper": "rwcu"},
    "psa.binding": {"auditor": "r", "administrator": "rwcu"},
    "psa.binding.split": {"reviewer": "rwcu"},
    "psa.cap": {"auditor": "r", "approver": "rwcu"},
    "psa.cap.use": {"auditor": "r"},
    "psa.charge": {"auditor": "r"},
    "psa.closing": {"auditor": "r", "reviewer": "rwcu"},
    "psa.closing.check": {"auditor": "r", "reviewer": "rwcu"},
    "psa.closing.cutoff": {"auditor": "r", "reviewer": "rwcu"},
    "psa.configuration": {"administrator": "rwcu"},
    "psa.connection": {"auditor": "r", "administrator": "rwcu"},
    "psa.connection.gate": {"auditor": "r"},
    "psa.connection.setting": {"auditor": "r", "administrator": "rwcu"},
    "psa.contract.as.of": {"auditor": "rwcu"},
    "psa.contract.as.of.row": {"auditor": "rwcu"},
    "psa.cost.rate": {"approver": "r"},
    "psa.credential": {"administrator": "rwcu"},
    "psa.entry": {"auditor": "r", "reviewer": "rw"},
    "psa.erasure": {"auditor": "r", "administrator": "rwcu"},
    "psa.evidence": {"auditor": "r"},
    "psa.exception": {"auditor": "r", "operator": "rw"},
    "psa.exception.ask": {"operator": "rwcu"},
    "psa.exception.bulk": {"operator": "rwcu"},
    "psa.exception.cause": {"auditor": "r", "administrator": "rw"},
    "psa.exception.due": {"auditor": "r", "administrator": "rwcu"},
    "psa.exception.job": {"auditor": "r", "operator": "rw"},
    "psa.exception.link": {"operator": "rwcu"},
    "psa.exception.waive": {"reviewer": "rwcu"},
    "psa.exchange.rate": {"auditor": "r", "approver": "rwcu", "mapper": "rwcu"},
    "psa.expense.policy": {"auditor": "r", "approver": "rwcu", "mapper": "rwcu"},
    "psa.file": {"auditor": "r", "operator": "rw"},
    "psa.file.upload": {"operator": "rwcu"},
    "psa.hold": {"auditor": "r"},
    "psa.invoice.layout": {"auditor": "r", "approver": "rwcu", "mapper": "rwcu"},
    "psa.invoice.layout.part": {"auditor": "r", "approver": "rwcu", "mapper": "rwcu"},
    "psa.late.decide": {"reviewer": "rwcu"},
    "psa.legal.hold": {"auditor": "r", "approver": "rwc"},
    "psa.lending": {"auditor": "r"},
    "psa.line.price": {"auditor": "r", "approver": "rwcu", "mapper": "rwcu"},
    "psa.mapping": {"auditor": "r", "mapper": "rwcu"},
    "psa.mapping.line": {"auditor": "r", "mapper": "rwcu"},
    "psa.mapping.simulation": {"auditor": "r", "mapper": "rwcu"},
    "psa.mapping.simulation.line": {"auditor": "r"},
    "psa.message": {"auditor": "r", "operator": "rw"},
    "psa.message.change": {"auditor": "r"},
    "psa.message.correct": {"operator": "rwcu"},
    "psa.message.correct.line": {"operator": "rwcu"},
    "psa.oauth.state": {},
    "psa.payment.choose": {"operator": "rwcu"},
    "psa.payment.choose.line": {"operator": "rwcu"},
    "psa.payment.match": {"auditor": "r"},
    "psa.pause": {"auditor": "r", "approver": "rwcu", "mapper": "rwcu"},
    "psa.price.under": {"auditor": "rwcu"},
    "psa.price.under.row": {"auditor": "rwcu"},
    "psa.progress": {"auditor": "r", "operator": "rwcu"},
    "psa.proposal": {"auditor": "r", "operator": "rw"},
    "psa.proposal.line": {"auditor": "r", "reviewer": "rw"},
    "psa.rate": {"auditor": "r", "approver": "rwcu", "mapper": "rwcu"},
    "psa.rate.card": {"auditor": "r", "approver": "rwcu", "mapper": "rwcu"},
    "psa.rate.card.copy": {"approver": "rwcu", "mapper": "rwcu"},
    "psa.reason": {"operator": "rwcu"},
    "psa.replay": {"operator": "rwcu"},
    "psa.retainer": {"auditor": "r", "approver": "rwcu", "mapper": "rwcu"},
    "psa.retainer.add": {"approver": "rwcu"},
    "psa.retainer.move": {"auditor": "r"},
    "psa.retainer.offer": {"reviewer": "rwcu"},
    "psa.retainer.offer.line": {"reviewer": "rwcu"},
    "psa.retainer.statement": {"auditor": "r"},
    "psa.role": {"auditor": "r", "mapper": "rwcu"},
    "psa.stream": {"auditor": "r", "administrator": "rwcu"},
    "psa.support.access": {"auditor": "r", "administrator": "rwc"},
    "psa.token": {},
    "psa.transfer.price": {"auditor": "r", "approver": "rwcu", "mapper": "rwcu"},
    "psa.unmask": {"administrator": "rwcu"},
    "psa.value.map": {"auditor": "r", "mapper": "rwcu"},
    "psa.webhook.counter": {"auditor": "r"},
    "psa.webhook.seen": {},
    "psa.write.down": {"auditor": "r", "reviewer": "rwcu"},
    "psa.write.down.line": {"auditor": "r"},
    "psa.write.down.reason": {"auditor": "r", "administrator": "rwcu"},
}
IMPLIED = {
    "auditor": ("auditor",),
    "operator": ("auditor", "operator"),
    "reviewer": ("auditor", "operator", "reviewer"),
    "approver": ("auditor", "operator", "reviewer", "approver"),
    "mapper": ("auditor", "operator", "mapper"),
    "administrator": GROUPS,
}
OPERATIONS = {"r": "read", "w": "write", "c": "create", "u": "unlink"}

# Models without a company: they belong to a row that has one, or are the same for all.
WITHOUT_COMPANY = {"psa.exception.cause", "psa.apply.total", "psa.apply.turn", "psa.write.down.reason"}

# Public methods that change nothing, or show what the user may see anyway.
HARMLESS = {
    ("psa.audit", "action_verify"),
    ("psa.audit.export", "action_export"),
    ("psa.cap", "action_open_waiting"),
    ("psa.connection", "action_open_shadow"),
    ("psa.entry", "action_psa_timeline"),
    ("psa.exception", "action_psa_timeline"),
    ("psa.message", "action_psa_timeline"),
    ("psa.stream", "action_catalogue_document"),
    ("psa.stream", "action_open_exceptions"),
    ("psa.timeline", "get_events"),
    ("psa.timeline.page", "action_psa_timeline"),
    ("psa.amendment", "action_open"),
    ("psa.amendment", "action_show_differences"),
    ("psa.contract.as.of", "action_price_under"),
    ("psa.charge", "action_open_entry"),
    ("psa.exception", "action_help"),
    ("psa.exception", "action_open_blocked"),
    ("psa.exception", "action_open_freed"),
    ("psa.exception.cause", "action_help"),
    ("psa.exception.cause", "action_open_exceptions"),
    ("psa.exception.job", "action_open_exceptions"),
    ("psa.job", "action_cancel"),  # abstract: its models are tested
    ("psa.job", "action_resume"),
    ("psa.expense.policy", "action_open_entries"),
    ("psa.file", "action_open_messages"),
    ("psa.mapping", "action_open_simulation"),
    ("psa.mapping.simulation", "action_open_mapping"),
    ("psa.dashboard", "get_figures"),
    ("psa.proposal", "action_open_invoice"),
    ("psa.proposal.line", "action_open_entry"),
    ("psa.proposal.line", "action_open_message"),
    ("psa.entry", "action_open_invoices"),
    ("psa.entry", "action_open_message"),
    ("psa.entry", "action_open_payments"),
    ("psa.entry", "action_open_proposals"),
    ("psa.entry", "action_open_source_record"),
    ("psa.evidence", "action_download"),
    ("psa.evidence", "action_verify"),
    ("psa.retainer", "action_open_entries"),
    ("psa.retainer", "action_open_moves"),
    ("psa.proposal", "action_override_holds"),
    ("psa.hold", "action_ask_release"),
    ("psa.hold", "action_open_subject"),
    ("psa.closing", "action_accruals"),
    ("psa.closing", "action_late_entries"),
    ("psa.closing.check", "action_open"),
    ("psa.billing.run", "action_proposals"),
    ("psa.billing.run.line", "action_open"),
    ("psa.entry", "action_decide_late"),
}
# Arguments of public methods that need some.
ARGUMENTS = {"action_waive": ("a reason",), "action_release": ("a reason",), "action_backfill": ()}


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
