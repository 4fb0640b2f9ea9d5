"""A firm with two legal entities, and canonical records as the engine hands them to the apply handlers."""

from contextlib import ExitStack, contextmanager
from datetime import date
from decimal import Decimal
from itertools import count
from types import SimpleNamespace
from unittest.mock import patch

from odoo.tests import TransactionCase

from .. import connectors
from ..connectors import canonical
from ..connectors.canonical import Reference
from ..models.sync.item import Item
from .fake_connector import FakeConnector

_numbers = count(1)


class ApplyCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        connectors.register(FakeConnector())
        cls.addClassCleanup(connectors.unregister, "fake")
        usd, eur = cls.env.ref("base.USD"), cls.env.ref("base.EUR")
        (usd | eur).active = True
        cls.usd, cls.eur = usd, eur
        cls.us, cls.de = cls.env["res.company"].create([
            {"name": "Northwind Inc.", "currency_id": usd.id, "country_id": cls.env.ref("base.us").id},
            {"name": "Nordwind GmbH", "currency_id": eur.id, "country_id": cls.env.ref("base.de").id},
        ])
        cls.env.user.company_ids |= cls.us | cls.de
        cls.env = cls.env(context={
            **cls.env.context, "allowed_company_ids": [cls.us.id, cls.de.id, cls.env.company.id],
            "tracking_disable": True, "mail_create_nolog": True, "mail_notrack": True,
        })
        cls.us_tax = cls._sale_tax(cls.us, "Sales Tax 7%", 7, "base.us")
        cls.de_tax = cls._sale_tax(cls.de, "USt 19%", 19, "base.de")
        cls.connection = cls.env["psa.connection"].create({
            "name": "Fake", "connector_code": "fake", "company_id": cls.us.id, "environment": "sandbox",
        })
        cls.net30 = cls.env.ref("account.account_payment_term_30days")
        cls.consultant, cls.architect = cls.env["psa.role"].create([{"name": "Consultant"}, {"name": "Architect"}])

    @classmethod
    def _sale_tax(cls, company, name, percent, country):
        group = cls.env["account.tax.group"].create({
            "name": name, "company_id": company.id, "country_id": cls.env.ref(country).id,
        })
        tax = cls.env["account.tax"].create({
            "name": name, "amount": percent, "amount_type": "percent", "type_tax_use": "sale", "company_id": company.id,
            "country_id": cls.env.ref(country).id, "tax_group_id": group.id,
        })
        company.account_sale_tax_id = tax
        return tax

    # === CANONICAL RECORDS === #
    def item(self, canonical_type, external_id, parents=None, operation="upsert", codes=None, **values):
        """Return the item of one canonical record; ``parents`` and ``codes`` give Odoo records by field."""
        parents = parents or {}
        codes = codes or {}
        spec = canonical.TYPES[canonical_type].fields
        coerced = canonical.coerce(canonical_type, {
            **values,
            **{name: Reference("Any", "x") for name in parents},
            **dict.fromkeys(codes, "code"),
            **{name: "code" for name, field in spec.items()
               if field.kind == canonical.CODE and field.required and name not in values},
        })
        coerced.update(codes)
        return self._item(canonical_type, external_id, coerced, operation, parents)

    def _item(self, canonical_type, external_id, values, operation="upsert", parents=None):
        claim = SimpleNamespace(
            message=self.env["psa.message"], connection=self.connection, company=self.connection.company_id,
            source_version="2026-01-01T00:00:00Z", decided={}, described="")
        item = Item(claim, canonical_type.title(), external_id, canonical_type, values, operation)
        item.parents = parents or {}
        item.binding = self.env["psa.binding"].search([
            ("connection_id", "=", self.connection.id), ("object_type", "=", item.object_type),
            ("external_id", "=", external_id),
        ])
        if item.binding.res_id:
            item.bind_record(self.env[item.binding.res_model].browse(item.binding.res_id))
        return item

    def assert_held(self, item, cause, *texts):
        self.assertIsNotNone(item.outcome, "nothing was decided")
        self.assertEqual((item.outcome.state, item.outcome.cause), ("held", cause), item.outcome.text)
        for text in texts:
            self.assertIn(text, item.outcome.text)

    def assert_state(self, item, state, reason=None):
        self.assertEqual((item.outcome.state, item.outcome.reason), (state, reason), item.outcome.text)

    def handler(self, canonical_type):
        return self.env[f"psa.apply.{canonical_type}"]

    def run_items(self, *items):
        """Run items of one type as the drain does, and remember what they are bound to."""
        handler = self.handler(items[0].canonical_type)
        groups = {"upsert": handler._apply, "delete": handler._delete, "merge": handler._merge}
        handler._prepare([item for item in items if item.operation == "upsert"])
        for operation, run in groups.items():
            if todo := [item for item in items if item.operation == operation and item.ok]:
                run(todo)
        self.env.flush_all()
        self.bind(items)
        return items[0] if len(items) == 1 else items

    def bind(self, items):
        for item in items:
            if item.outcome.state == "done":
                values = {
                    "connection_id": self.connection.id, "object_type": item.object_type,
                    "external_id": item.external_id, "canonical_type": item.canonical_type,
                    "res_model": item.record._name if item.record else False,
                    "res_id": item.record.id if item.record else False,
                }
                if item.binding:
                    item.binding.write(values)
                else:
                    item.binding = self.env["psa.binding"].create(values)

    def apply(self, canonical_type, external_id=None, **kwargs):
        """Run one record and return its item."""
        return self.run_items(self.item(canonical_type, external_id or f"X{next(_numbers)}", **kwargs))

    def gone(self, item):
        """Return the deletion of the record that ``item`` brought."""
        return self._item(item.canonical_type, item.external_id, {}, "delete")

    # === A BUSINESS === #
    def party(self, name="Contoso", **values):
        return self.apply("party", name=name, **values).record

    def resource(self, name="Jane Doe", company=None, role=None, **values):
        return self.apply(
            "resource", name=name, codes={"company": company or self.us, "role": role}, **values).record

    def deal_line(self, method="time_material", quantity=100, price=150, role=None, name=None, **values):
        line = {
            "external_id": f"L{next(_numbers)}", "name": name or method, "quantity": Decimal(quantity),
            "unit_price": Decimal(str(price)), **values,
        }
        return line, {"billing_method": method, "role": role, "product": None}

    def deal_item(self, lines=None, party=None, company=None, external_id=None, **values):
        lines = lines or [self.deal_line(role=self.consultant)]
        codes = {
            "company": company or self.us, "payment_term": self.net30, "tax_profile": "domestic",
            "project_template": "none", "billing_method": None, **values.pop("codes", {}),
        }
        parents = {"party": party or self.party(), **values.pop("parents", {})}
        item = self.item("deal", external_id or f"D{next(_numbers)}", parents=parents, codes=codes, **{
            "name": "Website relaunch", "won": True, "closed_on": date(2026, 1, 15), "currency": "USD",
            "lines": [line for line, _codes in lines], **values,
        })
        for line, (_raw, line_codes) in zip(item.values["lines"], lines, strict=True):
            line.update(line_codes)
        return item

    def contract(self, *lines, **values):
        return self.run_items(self.deal_item(list(lines), **values)).record

    def project(self, order=None, name="Relaunch", **values):
        parents = {"deal": order} if order else {}
        return self.apply("project", name=name, parents=parents, codes={"company": None}, **values).record

    def time_item(self, project, employee, hours=8, external_id=None, parents=None, **values):
        return self.item(
            "time", external_id or f"T{next(_numbers)}",
            parents={"project": project, "resource": employee, **(parents or {})},
            codes={"role": values.pop("role", None)},
            **{"work_date": date(2026, 2, 2), "hours": Decimal(str(hours)), "billable": True, "approved": True,
               **values},
        )

    def time(self, *args, **values):
        return self.run_items(self.time_item(*args, **values))

    @contextmanager
    def assert_no_write(self, *model_names):
        """Fail when a record of one of the models is created, written or deleted inside the block."""
        def refuse(records, *args, **kwargs):
            if records or args not in ((), ([],)):
                raise AssertionError(f"{records} changed: {args}")
            return records

        with ExitStack() as stack:
            for model_name in model_names:
                for method in ("create", "write", "unlink"):
                    stack.enter_context(patch.object(self.env.registry[model_name], method, refuse))
            yield

    def entry(self, record, field="analytic_line_id"):
        return self.env["psa.entry"].search([(field, "=", record.id)])
