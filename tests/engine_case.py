# pylint: disable=invalid-commit  # what is tested commits; in tests a commit is a savepoint
"""A vendor and handlers for tests of the drain: records become partners, whatever their type.

Only what the engine does is under test, so the handlers are as small as handlers can be; the real ones have their own
tests.
"""

import os
from contextlib import ExitStack
from unittest.mock import patch

from odoo.tests import TransactionCase

from ..connectors import base
from ..models.sync.psa_apply import PsaApply, PsaApplyError
from .fake_connector import registered


class EngineConnector(base.Connector):
    """Accounts, contacts, resources, projects and weekly sheets of days."""

    code = "engine"
    label = "Engine Test Vendor"
    auth_methods = (base.AuthMethod("none", "None", ()),)
    streams = (
        base.StreamSpec("account", "Accounts", "Account", "party", 10),
        base.StreamSpec("contact", "Contacts", "Contact", "person", 20),
        base.StreamSpec("user", "Users", "User", "user", 25),
        base.StreamSpec("resource", "Resources", "Resource", "resource", 30),
        base.StreamSpec("project", "Projects", "Project", "project", 50),
        base.StreamSpec("week", "Weeks", "Week", "time", 80, parts=("Week#day",)),
        base.StreamSpec("hour", "Hours", "Hour", "time", 80),
    )
    outbound = (
        base.OutboundSpec("status", "Billing status", "billing_status", ("Account", "Week#day"), batch_size=10),
    )

    def split(self, stream, raw, external_id):
        if stream.code != "week":
            return super().split(stream, raw, external_id)
        return [base.Part("Week#day", f"{external_id}:{day['date']}", "time", {**raw, **day}) for day in raw["days"]]

    def default_mappings(self):
        time = {
            "project": {"path": "project", "refers_to": "Project"},
            "resource": {"path": "resource", "refers_to": "Resource"},
            "work_date": "date", "hours": "hours", "role": "role", "description": "note",
            "billable": {"constant": "true"}, "approved": {"constant": "true"},
            "currency": "currency", "source_amount": "amount",
        }
        return {
            "account": {"name": "Name", "email": "Email", "parent": {"path": "ParentId", "refers_to": "Account"}},
            "contact": {"name": "Name", "party": {"path": "AccountId", "refers_to": "Account"}},
            "user": {"name": "Name"},
            "resource": {"name": "Name", "company": "Entity", "user": {"path": "UserId", "refers_to": "User"}},
            "project": {"name": "Name", "party": {"path": "AccountId", "refers_to": "Account"},
                        "manager": {"path": "ManagerId", "refers_to": "Resource"}},
            "week": time,
            "hour": time,
        }

    def default_value_maps(self):
        return {}


class PartnerHandler:
    """Every record is a partner: ``ref`` says which, ``function`` counts how often it was written, ``street`` lists the
    versions that were written, ``company_registry`` the processes that wrote them."""

    _name = "test.handler"
    _books = False

    def __init__(self, env, log, faults):
        self.env = env
        self.log = log
        self.faults = faults

    def _prepare(self, items):
        for item in items:
            hold = self.faults.get(("hold", item.external_id))
            if hold:
                item.hold("incomplete_terms", hold, key=item.key)

    def _apply(self, items):
        self.log.append(("apply", [item.external_id for item in items]))
        for item in items:
            fault = self.faults.get(item.external_id)
            if callable(fault):
                fault = fault()
            if fault is not None:
                raise fault
        new = [item for item in items if not item.record]
        partners = self.env["res.partner"].create([
            {"ref": f"{item.object_type}/{item.external_id}", "function": "1", "street": item.source_version,
             "name": item.values.get("name") or item.external_id, "company_registry": str(os.getpid())}
            for item in new])
        for item, partner in zip(new, partners, strict=True):
            item.done(partner)
        for item in items:
            if item.ok:
                item.record.write({
                    "name": item.values.get("name") or item.external_id,
                    "function": str(int(item.record.function) + 1),
                    "street": f"{item.record.street},{item.source_version}",
                    "company_registry": f"{item.record.company_registry},{os.getpid()}"})
                item.done(item.record)

    def _delete(self, items):
        self.log.append(("delete", [item.external_id for item in items]))
        for item in items:
            item.record.active = False
            item.done(item.record)

    def _merge(self, items):
        self.log.append(("merge", [item.external_id for item in items]))
        for item in items:
            item.done(item.parents["winner"])

    def _risk(self, items):
        for item in items:
            item.risk(item.values.get("source_amount"), item.values.get("currency"))

    def _applied(self, item):
        return None


class BulkHandler(PartnerHandler):
    """Writes nothing but one role for all: what is left is the engine's own work."""

    def _apply(self, items):
        role = self.env["psa.role"].create({"name": f"Role of {items[0].external_id}"})
        for item in items:
            item.done(None if item.canonical_type == "time" else role)


class HotHandler(PartnerHandler):
    """Counts in one row what all workers have done: every batch collides with the batches beside it."""

    def _apply(self, items):  # pylint: disable=missing-return
        super()._apply(items)
        hot = self.env["res.partner"].search([("ref", "=", "HOT")])
        hot.color += len(items)


class EngineCase(TransactionCase):
    """A connection to the test vendor, in an environment whose cursor may commit (see :class:`LinkCase`)."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stack = ExitStack()
        cls.addClassCleanup(stack.close)
        stack.enter_context(registered(EngineConnector()))

    def setUp(self):
        super().setUp()
        self.log = []
        self.faults = {}
        handler = patch.object(
            PsaApply, "_handler", lambda model, _type: PartnerHandler(model.env, self.log, self.faults))
        handler.start()
        self.addCleanup(handler.stop)
        self.addCleanup(self.registry.clear_cache)
        self.registry_enter_test_mode()
        cr = self.registry.cursor()
        self.addCleanup(cr.close)
        self.env = self.env(cr=cr)
        self.connection = self.env["psa.connection"].create({
            "name": "Engine EU", "connector_code": "engine", "environment": "sandbox", "state": "connected"})
        self.streams = {stream.code: stream for stream in self.connection.stream_ids}
        self.env.cr.commit()

    # === SENDING === #
    def receive(self, code, *records, origin="pull"):
        """Receive ``(external id, version, raw[, operation])`` on the stream ``code``; return the count of new ones."""
        stream = self.streams[code]
        count = self.env["psa.message"]._receive(stream, [
            base.RawRecord(stream.object_type, external_id, version, raw, *operation)
            for external_id, version, raw, *operation in records], origin)
        self.env.cr.commit()
        return count

    def account(self, external_id, version="1", operation=base.UPSERT, **raw):
        return external_id, version, {"Name": f"Account {external_id}", **raw}, operation

    def hour(self, external_id, version="1", **raw):
        return external_id, version, {
            "project": "P1", "resource": "R1", "date": "2026-05-04", "hours": 7.5, "amount": "750.00",
            "currency": self.env.company.currency_id.name, **raw}

    def master(self):
        """Receive and apply what hours refer to."""
        company = self.env["psa.value.map"].search([("source_value", "=", "HQ")])
        if not company:
            self.map_value("company", "HQ", self.env.company)
        self.receive("resource", ("R1", "1", {"Name": "Ada", "Entity": "HQ"}))
        self.receive("project", ("P1", "1", {"Name": "Apollo"}))
        self.drain("master")

    def map_value(self, domain, value, target, **values):
        return self.env["psa.value.map"].create({
            "connection_id": self.connection.id, "domain": domain, "source_value": value,
            **({"target_code": target} if isinstance(target, str) else {"target_ref": f"{target._name},{target.id}"}),
            **values})

    # === WORKING === #
    def drain(self, lane="master"):
        self.env.flush_all()
        self.env.cr.commit()
        return self.env["psa.lane"]._drain(lane, stand_by=0)

    # === LOOKING === #
    def messages(self, code=None, **conditions):
        domain = [("connection_id", "=", self.connection.id)]
        if code:
            domain.append(("stream_id", "=", self.streams[code].id))
        return self.env["psa.message"].search(
            domain + [(name, "=", value) for name, value in conditions.items()], order="id")

    def states(self, code=None):
        """Return ``{(state, skip reason or False): count}``."""
        result = {}
        for message in self.messages(code):
            key = (message.state, message.skip_reason)
            result[key] = result.get(key, 0) + 1
        return result

    def partner(self, object_type, external_id):
        return self.env["res.partner"].with_context(active_test=False).search(
            [("ref", "=", f"{object_type}/{external_id}")])

    def exceptions(self, cause=None, opened=True):
        domain = [("connection_id", "=", self.connection.id)]
        if opened:
            domain.append(("is_open", "=", True))
        if cause:
            domain.append(("cause_code", "=", cause))
        return self.env["psa.exception"].search(domain)


__all__ = ["BulkHandler", "EngineCase", "EngineConnector", "HotHandler", "PsaApplyError"]
