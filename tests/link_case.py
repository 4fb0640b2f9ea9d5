from contextlib import ExitStack

from odoo.tests import TransactionCase

from .fake_connector import FakeConnector, FakePackage, registered


class LinkCase(TransactionCase):
    """A connection to the fake vendor, in an environment whose cursor may commit: what the code under test commits
    becomes visible to the cursors that it opens beside, and all of it is rolled back at the end."""

    package_codes = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stack = ExitStack()
        cls.addClassCleanup(stack.close)
        stack.enter_context(registered(FakeConnector(), FakePackage()))

    def setUp(self):
        super().setUp()
        self.fake = FakeConnector()
        stack = ExitStack()
        self.addCleanup(stack.close)
        stack.enter_context(registered(self.fake, FakePackage()))
        self.addCleanup(self.registry.clear_cache)
        self.registry_enter_test_mode()
        cr = self.registry.cursor()
        self.addCleanup(cr.close)
        self.env = self.env(cr=cr)
        self.connection = self.make_connection()
        self.account = self.connection.stream_ids.filtered(lambda stream: stream.code == "account")
        self.status = self.connection.stream_ids.filtered(lambda stream: stream.code == "status")

    def make_connection(self, **values):
        connection = self.env["psa.connection"].create({
            "name": "Fake EU", "connector_code": "fake", "environment": "sandbox", "auth_method": "client",
            "package_codes": list(self.package_codes), **values})
        connection._set_credentials({
            "client_id": "hub", "client_secret": "s3cret-value", "webhook_secret": "whsec-current"})
        connection.state = "connected"
        self.env.cr.commit()
        return connection

    def messages(self, stream=None, **conditions):
        domain = [("stream_id", "=", (stream or self.account).id)]
        return self.env["psa.message"].search(
            domain + [(name, "=", value) for name, value in conditions.items()], order="id")

    def open_exceptions(self, cause=None):
        domain = [("connection_id", "=", self.connection.id), ("state", "not in", ("resolved", "waived"))]
        return self.env["psa.exception"].search(domain + ([("cause_code", "=", cause)] if cause else []))
