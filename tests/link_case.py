# pylint: disable=invalid-commit  # on the tests' cursor, which rolls it back
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from odoo import SUPERUSER_ID, api
from odoo.modules.registry import DummyRLock, Registry
from odoo.tests import TransactionCase

from .fake_connector import FakeConnector, FakePackage, registered
from .outbound import OutboundMixin


class LinkCase(OutboundMixin, TransactionCase):
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


class Killed(BaseException):
    """What a killed worker looks like from inside: nothing after this line runs."""


class PullCase(LinkCase):
    """Reading the accounts of the fake vendor."""

    def pull(self):
        self.account.invalidate_recordset()
        return self.account._pull()

    def external_ids(self, **conditions):
        return self.messages(**conditions).mapped("external_id")

    def add(self, count, start=0, minute=0):
        for number in range(start, start + count):
            self.fake.add(f"A{number:04}", f"2026-01-05T10:{minute:02}:{number % 60:02}", Name=f"Account {number}")

    @contextmanager
    def killed(self, place, at_call=1):
        """Kill the worker when it calls ``place`` for the n-th time."""
        real, calls = getattr(type(self.account), place), []

        def call(stream, *arguments):
            calls.append(1)
            if len(calls) == at_call:
                raise Killed
            return real(stream, *arguments)
        try:
            with patch.object(type(self.account), place, call):
                yield
            self.fail("It was not killed")
        except Killed:
            self.env.cr.rollback()
            self.account.invalidate_recordset()


class CommittedCase(OutboundMixin, TransactionCase):
    """A connection that is committed, for tests with real threads and cursors. It is deleted again at the end."""

    def setUp(self):
        super().setUp()
        self.fake = FakeConnector()
        stack = ExitStack()
        self.addCleanup(stack.close)
        stack.enter_context(registered(self.fake))
        with self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            connection = env["psa.connection"].create({
                "name": "Committed", "connector_code": "fake", "environment": "sandbox", "auth_method": "client"})
            connection._set_credentials({"client_id": "hub", "client_secret": "s3cret"})
            connection.state = "connected"
            self.connection_id = connection.id
        self.addCleanup(self.forget)

    def forget(self):
        """Delete what was committed; audit rows stay, as they must."""
        with self.registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            connection = env["psa.connection"].browse(self.connection_id)
            for model in ("psa.exception", "psa.binding", "psa.message"):
                env[model].search([("connection_id", "=", connection.id)]).sudo().unlink()
            connection.unlink()
        self.registry.clear_all_caches()

    @contextmanager
    def committed(self):
        """Yield the connection on a cursor of its own that is committed at the end."""
        with self.registry.cursor() as cr:
            yield api.Environment(cr, SUPERUSER_ID, {})["psa.connection"].browse(self.connection_id)

    def in_threads(self, count, work):
        """Run ``work(number)`` in ``count`` threads that start together. Return their results or raise their error."""
        barrier = threading.Barrier(count)
        database = self.registry.db_name

        def run(number):
            threading.current_thread().dbname = database
            barrier.wait(30)
            return work(number)

        # The main thread holds the registry's lock while tests run.
        with patch.object(Registry, "_lock", DummyRLock()), ThreadPoolExecutor(count) as pool:
            return list(pool.map(run, range(count), timeout=120))
