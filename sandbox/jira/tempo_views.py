"""Tempo's rows as JSON."""

from datetime import date, datetime, time, timezone

from . import approvals
from .stamps import LOCAL, tempo_text

_REQUIRED_SECONDS = 40 * 3600


class Views:
    """:param url: the site, which stands for Tempo's host and for Jira's"""

    def __init__(self, store, url):
        self.store, self.url, self.root = store, url, f"{url}/4"

    def user(self, account_id):
        return {"accountId": account_id, "self": f"{self.url}/rest/api/2/user?accountId={account_id}"}

    def worklog(self, row):
        moment = datetime.combine(row.day, time.fromisoformat(row.start), LOCAL)
        link = f"{self.root}/worklogs/{row.id}"
        return {
            "self": link, "tempoWorklogId": row.id,
            "issue": {"self": f"{self.url}/rest/api/2/issue/{row.issue_id}", "id": row.issue_id},
            "timeSpentSeconds": row.seconds, "billableSeconds": row.billable, "startDate": row.day.isoformat(),
            "startTime": row.start, "startDateTimeUtc": tempo_text(moment.astimezone(timezone.utc)),
            "description": row.note, "createdAt": tempo_text(row.created), "updatedAt": tempo_text(row.updated),
            "author": self.user(row.author),
            "attributes": {"self": f"{link}/work-attribute-values",
                           "values": [{"key": key, "value": value} for key, value in row.attributes.items()]},
        }

    def customer(self, row):
        return {"self": f"{self.root}/customers/{row['key']}", **row}

    def account(self, row):
        customer = self.store.tables.customers[row["customer"]]
        return {"self": f"{self.root}/accounts/{row['key']}", "id": row["id"], "key": row["key"], "name": row["name"],
                "status": row["status"], "global": False, "customer": self.customer(customer),
                "lead": self.user(row["lead"]), "monthlyBudget": 0, "category": {
                    "id": 1, "key": "BILLABLE", "name": "Billable", "type": {"name": "BILLABLE"}}}

    def link(self, row):
        account = self.store.tables.accounts[row["account"]]
        return {"self": f"{self.root}/account-links/{row['id']}", "id": row["id"], "default": row["default"],
                "account": {"self": f"{self.root}/accounts/{account['key']}", "id": account["id"],
                            "key": account["key"]},
                "scope": {"self": f"{self.url}/rest/api/2/project/{row['project']}", "id": row["project"],
                          "type": "PROJECT"}}

    def attribute(self, row):
        return {"self": f"{self.root}/work-attributes/{row['key']}", **row}

    def approval(self, user, day):
        """Return the state of one user's period."""
        start = approvals.monday(day)
        entry = self.store.approvals.current.get((user, start))
        spent = self.store.spent(user, start)
        limits = approvals.period(start)
        status = self.status(entry) if entry else {"key": approvals.OPEN}
        return {"self": f"{self.root}/timesheet-approvals/user/{user}?from={limits['from']}&to={limits['to']}",
                "period": limits, "requiredSeconds": _REQUIRED_SECONDS, "timeSpentSeconds": spent, "status": status,
                "user": self.user(user), **({"reviewer": self.user(entry.actor)} if entry else {})}

    def status(self, entry):
        return {"key": entry.status, "comment": entry.comment, "updatedAt": tempo_text(entry.moment),
                "actor": self.user(entry.actor), "timeSpentSecondsAtSubmit": entry.spent,
                "requiredSecondsAtSubmit": _REQUIRED_SECONDS}

    def log_line(self, entry):
        return {"user": self.user(entry.user), "period": approvals.period(entry.start), "status": self.status(entry)}

    def event(self, event):
        row = event.worklog
        return {"action": event.action, "entityType": "worklog", "entityId": str(row.id), "parentId": str(row.issue_id),
                "author": event.actor, "worker": row.author, "timestamp": tempo_text(event.moment),
                "changes": [{"field": name} for name in event.changes]}

    def periods(self, first, last):
        start, rows = approvals.monday(first), []
        while start <= last:
            rows.append(approvals.period(start))
            start = date.fromordinal(start.toordinal() + 7)
        return rows
