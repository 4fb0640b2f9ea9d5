from contextlib import ExitStack

from ..connectors import base
from .engine_case import EngineConnector
from .fake_connector import registered
from .test_exception_holders import HolderCase


class DeskCase(HolderCase):
    """A contract with a price, its project at the source, and hours of a person that nobody knows."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stack = ExitStack()
        cls.addClassCleanup(stack.close)
        stack.enter_context(registered(EngineConnector()))
        cls.tracker = cls.env["psa.connection"].create({
            "name": "Tracker", "connector_code": "engine", "environment": "sandbox", "company_id": cls.company.id})
        cls.order = cls.make_contract(("time_material", 100, 0))
        cls.make_rate(100, cls.order, employee_id=cls.ada.id)
        cls.project = cls.project_of(cls.order)
        cls.env["psa.binding"].create({
            "connection_id": cls.tracker.id, "object_type": "Project", "external_id": "P1",
            "canonical_type": "project", "res_model": "project.project", "res_id": cls.project.id})

    def receive(self, code, *records):
        """Take in records ``(id, version, raw[, operation])`` and work on them, as a lane does.

        :return: the messages of the stream's records that came, newest first
        """
        stream = self.tracker.stream_ids.filtered(lambda stream: stream.code == code)
        self.env["psa.message"]._receive(stream, [
            base.RawRecord(stream.object_type, external_id, version, raw, *operation)
            for external_id, version, raw, *operation in records], "pull")
        messages = self.env["psa.message"].search(
            [("stream_id", "=", stream.id), ("external_id", "in", [record[0] for record in records])])
        messages._work_now()
        return messages

    def hours(self, external_id, version="1", **values):
        return external_id, version, {
            "project": "P1", "resource": "R9", "date": "2026-05-04", "hours": 8, "amount": 800, "currency": "USD",
            **values}

    def unknown_person(self, count=3):
        """Return ``(exception, messages)``: hours of one person whom the source does not know any more."""
        messages = self.receive("hour", *(self.hours(f"H{number}") for number in range(count)))
        self.receive("resource", ("R9", "1", {}, base.DELETE))
        return messages.exception_id, messages
