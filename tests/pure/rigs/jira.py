"""Jira Cloud and Tempo for the conformance suite: the stream of worklogs and the mark on a billed worklog."""

import hashlib
import hmac
import json
from datetime import datetime, timedelta, timezone

from wire_server import request_of, session_for

from connectors.base import PushItem
from sandbox.jira import signing

from .base import Rig

_ACCOUNT, _INVOICED, _PROPERTY = "_Account_", "_Invoiced_", "odoo_invoice"


class JiraRig(Rig):
    """Tempo stamps every worklog and merges none, so there is no :meth:`unstamp` and no :meth:`merge`."""

    code = "jira"
    vendor = "jira"
    stream = "worklog"
    read_path = "/4/worklogs"
    write_fault = {"method": "PUT", "path": "/properties/"}
    webhook_secrets = {"jira_webhook_secret": "jira-admin-secret-1",
                       "tempo_webhook_secret": "tempo-shared-secret-1" * 6}

    # === SESSIONS === #

    def session(self, vendor, **transport):
        """Log in by OAuth: the way that can expire, rotate and be revoked."""
        return self.oauth_session(vendor, **transport)

    def oauth_session(self, vendor, **transport):
        return self._session(vendor, "oauth", ("client_id", "client_secret", "refresh_token", "tempo_token"), transport)

    def token_session(self, vendor, **transport):
        return self._session(vendor, "api_token", ("email", "api_token", "tempo_token"), transport)

    def _session(self, vendor, method, names, transport):
        known = vendor.credentials
        return session_for(vendor.url, method, {name: known[name] for name in names}, None, _settings(vendor.url),
                           **transport)

    # === WHAT HAPPENS AT THE VENDOR === #

    def ids(self, vendor):
        return {str(number) for number in vendor.app.store.worklogs}

    def make(self, vendor, count=1, moment=None):
        return [str(number) for number in vendor.app.create_worklogs(count, moment)]

    def touch(self, vendor, external_id, moment=None):
        note = f"Changed {external_id} the {len(vendor.app.store.events)}th time"
        vendor.app.touch_worklog(int(external_id), note, moment)
        return note

    def delete(self, vendor, external_id):
        vendor.app.delete_worklog(int(external_id))

    def approve(self, vendor, external_id):
        """Approve the week in which this worklog lies."""
        self._period(vendor, external_id, "approve")

    def reopen(self, vendor, external_id):
        self._period(vendor, external_id, "reopen")

    def _period(self, vendor, external_id, action):
        row = vendor.app.store.worklogs[int(external_id)]
        vendor.app.period(row.author, row.day, action)

    # === LOGIN === #

    def expire(self, vendor):
        vendor.app.authority.expire()

    def revoke(self, vendor):
        vendor.app.authority.revoke()

    def narrow(self, vendor):
        vendor.app.tempo.hidden.add("customers")
        return "customer"

    # === WEBHOOK === #

    def delivery(self, vendor, external_ids, secrets=None, moment=None):
        """Tempo tells of one worklog a request."""
        (external_id,) = external_ids
        app, secrets = vendor.app, secrets or self.webhook_secrets
        row = app.store.worklogs[int(external_id)]
        body, headers = signing.tempo_request(row, "Updated", secrets["tempo_webhook_secret"],
                                              app.authority.cloud_id, moment)
        return request_of(body, headers)

    def jira_delivery(self, vendor, external_id, secrets=None, moment=None):
        """Return the request by which Jira's admin webhook tells of a change of a worklog."""
        app, secrets = vendor.app, secrets or self.webhook_secrets
        content = {"worklog": app.jira.worklog(app.store.worklogs[int(external_id)])}
        return request_of(*signing.jira_request("worklog_updated", content, secrets["jira_webhook_secret"], moment))

    def vectors(self):
        """Neither vendor publishes one: made here from the rule, apart from the stand-in's own code."""
        now = datetime(2026, 11, 3, 6, 42, tzinfo=timezone.utc)
        settings, secrets = _settings("https://acme.example"), self.webhook_secrets
        old = {name: f"old-{value}" for name, value in secrets.items()}
        stamp = "2026-11-03T06:41:13.000Z"
        tempo_body = json.dumps({"eventId": "0f2c", "eventType": "worklog.updated", "payload": {
            "tempoWorklogId": 551, "issue": {"id": 20012}, "author": {"accountId": "712020:aa-bb"},
            "updater": {"accountId": "712020:aa-bb"}, "timeSpentSeconds": 8400, "billableSeconds": 9000,
            "startDate": "2026-11-02", "startTime": "09:00:00", "description": "Übergabe",
            "createdAt": "2026-11-02T10:31:00.000Z", "updatedAt": "2026-11-03T06:41:12.000Z"}},
            ensure_ascii=False).encode()
        jira_body = json.dumps({"timestamp": 1793688072000, "webhookEvent": "worklog_updated", "worklog": {
            "self": "https://acme.example/rest/api/3/issue/20012/worklog/40551", "id": "40551", "issueId": "20012",
            "author": {"accountId": "712020:aa-bb"}, "updated": "2026-11-03T08:41:12.000+0200",
            "timeSpentSeconds": 8400}}).encode()

        def digest(key, message):
            return hmac.new(key.encode(), message, hashlib.sha256).hexdigest()

        def tempo(signature, body=tempo_body, sent=stamp):
            return request_of(body, {"Content-Type": "application/json", "Tempo-Timestamp": sent,
                                     "Tempo-Signature": signature})

        def jira(signature, body=jira_body):
            return request_of(body, {"Content-Type": "application/json", "X-Hub-Signature": signature,
                                     "x-atlassian-webhook-identifier": "5f1d-1"})

        tempo_key, jira_key = secrets["tempo_webhook_secret"], secrets["jira_webhook_secret"]
        right = digest(tempo_key, tempo_body + stamp.encode())
        jira_right = f"sha256={digest(jira_key, jira_body)}"
        return [(given, settings, request, now, accepted) for given, request, accepted in (
            ([secrets], tempo(right), True),
            ([secrets, old], tempo(digest(old["tempo_webhook_secret"], tempo_body + stamp.encode())), True),
            ([old], tempo(right), False),
            ([secrets], tempo(right, tempo_body.replace(b"8400", b"8401")), False),
            ([secrets], tempo(right, sent="2026-11-03T06:41:14.000Z"), False),
            ([secrets], tempo(digest(tempo_key, stamp.encode() + tempo_body)), False),
            ([secrets], tempo(digest(tempo_key, tempo_body)), False),
            ([secrets], jira(jira_right), True),
            ([secrets, old], jira(f"sha256={digest(old['jira_webhook_secret'], jira_body)}"), True),
            ([secrets], jira(f"sha256={digest(tempo_key, jira_body)}"), False),
            ([secrets], jira(jira_right, jira_body + b" "), False),
            ([secrets], request_of(tempo_body, {"Content-Type": "application/json"}), False),
            ([], tempo(right), False),
        )]

    # === WRITING === #

    def push_items(self, vendor, count=1, approved=True):
        """Billed time is approved time: Tempo refuses to change it, and the mark goes to Jira."""
        numbers = self.make(vendor, count, vendor.clock.now() - timedelta(hours=1))
        for number in numbers if approved else ():
            self.approve(vendor, number)
        outbound = next(spec for spec in self.connector.outbound if spec.code == "worklog_status")
        return outbound, [PushItem(f"billing:{number}", "Worklog", number, {
            "event": "posted", "invoiced": True, "invoice_number": "INV/2026/00007", "invoice_date": "2026-07-01",
            "payment_state": "not_paid", "amount_total": "1190.00", "amount_residual": "1190.00", "currency": "EUR",
            "credit_note": None, "url": "https://erp.example.com/odoo/accounting/7"})
            for number in numbers]

    def written(self, vendor, item):
        """A mark stands in Tempo's attribute or in Jira's worklog property, never in both."""
        writes, number = vendor.app.store.writes, int(item.external_id)
        return writes["tempo", number] + writes["property", number]

    def other_hand(self, vendor, item):
        vendor.app.mark_property(int(item.external_id), _PROPERTY, {"invoice": "OTHER/2026/0001"})

    def lock(self, vendor, item):
        """Tempo refuses already: now Jira does, too."""
        vendor.app.jira.locked.add(int(item.external_id))

    def remove(self, vendor, item):
        self.delete(vendor, item.external_id)


def _settings(url):
    return {"jira_url": url, "tempo_url": url, "login_url": url, "billed_attribute": _INVOICED,
            "billed_property": _PROPERTY, "account_attribute": _ACCOUNT}


RIG = JiraRig()
