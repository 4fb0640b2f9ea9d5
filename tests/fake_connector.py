"""A vendor for tests of the engine: declared like a real one, answering from a list in memory.

Its fetch logic is a plain incremental list by (modified, id), so that overlap, ties, deletions and merges can be set up
record by record; faults are raised where a test says so.
"""

import contextlib
import hashlib
import hmac
import random
import time
from datetime import datetime, timedelta

from .. import connectors
from ..connectors import base, errors


class FakeConnector(base.Connector):
    code = "fake"
    label = "Fake Vendor"
    auth_methods = (
        base.AuthMethod("client", "Client secret", (
            base.CredentialField("client_id", "Client ID"),
            base.CredentialField("client_secret", "Client secret", secret=True),
        )),
        base.AuthMethod("web", "Consent in the browser", (
            base.CredentialField("client_id", "Client ID"),
            base.CredentialField("client_secret", "Client secret", secret=True),
            base.CredentialField("refresh_token", "Refresh token", secret=True, required=False),
        ), interactive=True),
    )
    settings = (
        base.SettingField("base_url", "Address", default="https://fake.example.com", required=True),
        base.SettingField("organisation", "Organisation"),
    )
    streams = (
        base.StreamSpec("account", "Accounts", "Account", "party", 10, webhook=True),
        base.StreamSpec("person", "People", "Contact", "person", 20),
    )
    outbound = (
        base.OutboundSpec("status", "Billing status", "billing_status", ("Account",), batch_size=10),
    )
    has_webhook = True
    webhook_secrets = (base.CredentialField("webhook_secret", "Webhook secret", secret=True),)
    webhook_signs_time = True
    rate_budget = (1000, 1)
    tolerance = timedelta(minutes=5)

    def __init__(self):
        self.records = []  # (object type, external id, modified or None, raw, operation)
        self.calls = []
        self.faults = []  # exceptions raised by the next calls, in order
        self.pushed = []
        self.push_errors = {}  # external id -> exception
        self.logins = 0

    # reading

    def add(self, external_id, modified, object_type="Account", operation=base.UPSERT, **raw):
        self.records.append((object_type, external_id, modified, raw, operation))

    def _fault(self):
        if self.faults:
            fault = self.faults.pop(0)
            if fault is not None:
                raise fault

    def check(self, session):
        self._fault()
        return [base.Check("login", "Log in", True, "Logged in.")]

    def fetch_page(self, session, stream, cursor, options):
        self.calls.append(("page", stream.code, dict(cursor), dict(options)))
        self._fault()
        start = cursor.get("modified", "")
        after = cursor.get("id", "")
        if options["new_run"] and start:
            moment = datetime.fromisoformat(start) - timedelta(seconds=options["overlap_seconds"])
            start, after = moment.isoformat(), ""
        start = start or options["since"]
        rows = sorted((modified or "", external_id, raw, operation)
                      for object_type, external_id, modified, raw, operation in self.records
                      if object_type == stream.object_type)
        rows = [row for row in rows if (row[0], row[1]) > (start, after)]
        page, rest = rows[:options["page_size"]], rows[options["page_size"]:]
        records = [base.RawRecord(stream.object_type, external_id, modified, raw, operation)
                   for modified, external_id, raw, operation in page]
        if page:
            cursor = {"modified": page[-1][0] or start, "id": page[-1][1]}
        return base.Page(records, cursor, bool(rest), cursor.get("modified", ""))

    def fetch_records(self, session, stream, external_ids):
        self.calls.append(("records", stream.code, sorted(external_ids)))
        self._fault()
        found = {external_id: base.RawRecord(stream.object_type, external_id, modified or "", raw, operation)
                 for object_type, external_id, modified, raw, operation in self.records
                 if object_type == stream.object_type and external_id in external_ids}
        return [found.get(external_id) or base.RawRecord(stream.object_type, external_id, "", {}, base.DELETE)
                for external_id in external_ids]

    def default_mappings(self):
        return {
            "account": {"name": "Name"},
            "person": {"name": "Name", "party": {"path": "AccountId", "refers_to": "Account"}},
        }

    # webhook: JSON lines "external id|version", signed "t.body" with HMAC-SHA256

    @staticmethod
    def sign(secret, moment, body):
        stamp = str(int(moment.timestamp()))
        digest = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        return {"X-Fake-Time": stamp, "X-Fake-Signature": digest}

    def verify_webhook(self, secrets, settings, request, now):
        headers, body = request.headers, request.body
        stamp = headers.get("X-Fake-Time", "")
        for secret in secrets:
            expected = hmac.new(secret["webhook_secret"].encode(), stamp.encode() + b"." + body, hashlib.sha256)
            if hmac.compare_digest(expected.hexdigest(), headers.get("X-Fake-Signature", "")):
                break
        else:
            raise errors.SignatureError("The signature does not match.")
        if abs(now.timestamp() - int(stamp)) > self.tolerance.total_seconds():
            raise errors.StaleSignatureError("Signed too long ago.")
        if body.startswith(b"!"):
            raise errors.PoisonError("Not what the documentation promises.")
        records = []
        for line in body.decode().split("\n"):
            external_id, _sep, version = line.partition("|")
            operation = base.UPSERT if version else base.HINT
            raw = {"Name": external_id} if version else {}
            records.append(("account", base.RawRecord(
                "Account", external_id, version or hashlib.sha256(body).hexdigest(), raw, operation)))
        return base.WebhookDelivery(hashlib.sha256(body).hexdigest(), records)

    def webhook_reply(self, delivery):
        return base.WebhookReply(202, b"<ack/>", "text/xml")

    # writing

    def push(self, session, outbound, items):
        self.calls.append(("push", outbound.code, [item.external_id for item in items]))
        self._fault()
        results = []
        for item in items:
            error = self.push_errors.get(item.external_id)
            if error is None:
                self.pushed.append(item)
            results.append(base.PushResult(item.key, error, version="2026-01-01T00:00:00Z"))
        return results

    # consent

    def authorize_url(self, settings, credentials, redirect_uri, state, code_challenge):
        return f"https://fake.example.com/authorize?state={state}&challenge={code_challenge}&redirect={redirect_uri}"

    def exchange_code(self, session, code, redirect_uri, code_verifier):
        self._fault()
        self.calls.append(("exchange", code, redirect_uri, code_verifier))
        return base.Token({"access_token": f"access-{code}"}, {"refresh_token": f"refresh-{code}"})


class FileVendor(FakeConnector):
    """A vendor that outlives the processes that call it: what it is told to write it appends to a file.

    It takes its time before and after, so that a worker is often killed while its answer is on the way. It writes
    blindly unless the item is in doubt: a second write of one item is the hub's mistake, and shows in the file.
    """

    def __init__(self, path, count):
        super().__init__()
        self.path = path
        for number in range(count):
            self.add(f"A{number:05}", f"2026-01-05T10:{number // 60 % 60:02}:{number % 60:02}", Name=f"Name {number}")

    def written(self):
        """Return the keys in the order of the writes."""
        return self._lines("write")

    def looked_up(self):
        """Return the keys of items in doubt that turned out to be written: a worker was killed in between."""
        return self._lines("known")

    def _lines(self, kind):
        with open(self.path) as file:
            lines = [line.split() for line in file]
        return [key for line_kind, key in lines if line_kind == kind]

    def fetch_page(self, session, stream, cursor, options):
        time.sleep(random.uniform(0, 0.02))
        session.memory["gate"].before_call("GET", "fake.example.com")
        return super().fetch_page(session, stream, cursor, options)

    def fetch_records(self, session, stream, external_ids):
        time.sleep(random.uniform(0, 0.1))
        return super().fetch_records(session, stream, external_ids)

    def push(self, session, outbound, items):
        results = []
        for item in items:
            time.sleep(random.uniform(0, 0.01))
            known = item.in_doubt and item.key in self.written()
            with open(self.path, "a") as file:
                file.write(f"{'known' if known else 'write'} {item.key}\n")
            results.append(base.PushResult(item.key, written=not known))
        time.sleep(random.uniform(0, 0.5))
        return results


class FakePackage(base.Package):
    code = "fake_package"
    label = "Fake Package"
    host = "fake"
    streams = (base.StreamSpec("project", "Projects", "Proj__c", "project", 30),)

    def default_mappings(self):
        return {"project": {"name": "Name"}}

    def default_value_maps(self):
        return {}


@contextlib.contextmanager
def registered(*items):
    """Offer ``items`` beside the real connectors while the block runs."""
    for item in items:
        connectors.register(item)
    try:
        yield
    finally:
        for item in items:
            connectors.unregister(item.code)
