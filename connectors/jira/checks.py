"""The connection test: both logins, one look at each object, and what a Tempo administrator has to allow or make."""

from datetime import timedelta
from functools import partial

from ..base import Check
from ..checks import check_right
from ..errors import ConnectionRefusedByVendor, DataError, MissingScopeError
from .auth import WRITE_SCOPE
from .errors import TEMPO
from .worklogs import tempo_instant

_FIRST = {"offset": 0, "limit": 1}


def _users(client):
    client.jira("GET", "/users/search", kind=list, params={"startAt": 0, "maxResults": 1})


def _customers(client):
    client.tempo_page("/4/customers", _FIRST)


def _projects(client):
    client.jira("GET", "/project/search", params={"startAt": 0, "maxResults": 1})
    client.tempo_page("/4/accounts", _FIRST)


def _issues(client):
    client.jira("POST", "/search/jql", json={
        "jql": "updated >= -60m ORDER BY updated ASC", "fields": ["project"], "maxResults": 1})


def _worklogs(client):
    client.tempo_page("/4/worklogs", _FIRST)
    client.tempo("POST", "/4/timesheet-approvals/logs/search", params={"limit": 1},
                 json={"updatedFrom": _yesterday(client)})


#: ``(stream, label, what is tried)``
_PROBES = (
    ("user", "Jira users", _users),
    ("customer", "Tempo customers", _customers),
    ("project", "Jira projects and Tempo accounts", _projects),
    ("issue", "Jira issues", _issues),
    ("worklog", "Tempo worklogs and approvals", _worklogs),
)


def _yesterday(client):
    return tempo_instant(client.now(TEMPO) - timedelta(days=1))


def check(client):
    """Return the lines of the test; a missing right blocks what needs it, a refused login blocks the connection.

    :raise TransientError: no answer; that says nothing about rights
    """
    try:
        found = [check_right(code, label, partial(_look, probe, client)) for code, label, probe in _PROBES]
        found += [_check_deletions(client), _check_property(client), check_attribute(client)]
    except ConnectionRefusedByVendor as error:
        return [Check("login", "Login", False, str(error))]
    return [Check("login", "Login", True, "Jira and Tempo accept the login"), *found]


def _look(probe, client):
    probe(client)
    return "Can be read"


def _check_deletions(client):
    """Look into the audit log; without it time is still complete, so that it blocks nothing."""
    label, since = "Deleted worklogs", _yesterday(client)
    try:
        client.tempo("POST", "/4/papertrail/search", params={"limit": 1}, json={
            "from": since, "to": tempo_instant(client.now(TEMPO)), "entityType": ["worklog"], "action": ["Deleted"]})
    except (MissingScopeError, DataError) as error:
        return Check("deletions", label, True, f"ATTENTION: {error} Let the owner of the Tempo token read the audit "
                     "log; until then deletions are known only from Tempo's webhook")
    return Check("deletions", label, True, "Read from Tempo's audit log")


def _check_property(client):
    """Look whether a consent allows to write; whether the user may cannot be tried without a write."""
    label, scopes = "Jira property for the invoice number", client.scopes()
    if scopes is not None and WRITE_SCOPE not in scopes:
        return Check("worklog_property", label, False, f"The consent lacks the scope {WRITE_SCOPE}: add it to the app "
                     "in the Atlassian developer console and connect again", ("worklog_status",))
    return Check("worklog_property", label, True, "Where Tempo refuses to change a worklog, the invoice number is "
                 f"written into {client.setting('billed_property')}; only the first write shows whether Jira lets the "
                 "integration user do so (it needs “Edit all worklogs” in the projects)")


def check_attribute(client):
    """Look for the work attribute that the write-back fills."""
    code, label, key = "worklog_status", "Work attribute for the invoice number", client.setting("billed_attribute")
    try:
        found = next((row for row in client.tempo_rows("/4/work-attributes") if row["key"] == key), None)
    except (MissingScopeError, DataError) as error:
        return Check(code, label, False, str(error), (code,))
    if found and found.get("type", "INPUT_FIELD") == "INPUT_FIELD":
        return Check(code, label, True, f"The invoice number is written into {key}")
    return Check(code, label, False, f"Make a work attribute of the type “Input field” with the key {key} in Tempo's "
                 "settings, or enter the key of such an attribute in the connection's settings", (code,))
