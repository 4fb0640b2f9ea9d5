"""Write-back: the number of the invoice that a worklog stands on.

It goes into a work attribute of Tempo. Tempo replaces the whole worklog at each write, so everything that it shows is
sent again with it, and it takes no change of a worklog whose period is approved or closed. Billed time normally lies in
such a period: the number then goes into a property of the same worklog in Jira, which stands outside the approval.
Before each write both places are looked at, so that the number stands in one of them and once.
"""

from functools import cached_property
from urllib.parse import quote

from ..base import PushResult
from ..errors import ConflictError, DataError, NotFoundError
from .checks import check_attribute
from .client import client_of
from .worklogs import attribute, version_of

_FIELDS = ("startDate", "startTime", "timeSpentSeconds", "billableSeconds", "description")
#: By which status Tempo refuses a change of such a period is not published, so the likely ones count.
_REFUSALS = frozenset(("http_400", "http_403", "http_409", "http_423"))


def push(session, items):
    """Write ``items`` one by one and return a :class:`~connectors.base.PushResult` each."""
    writer, results = _Writer(client_of(session)), []
    try:
        writer.look(sorted({int(item.external_id) for item in items if item.external_id.isdecimal()}))
    except DataError as error:
        return [PushResult(item.key, error, False) for item in items]
    for item in items:
        try:
            written, version = writer.tell(item)
            results.append(PushResult(item.key, None, written, version))
        except DataError as error:
            results.append(PushResult(item.key, error, False))
    return results


def _number(value):
    """Return the text of a property's value: of its ``invoice``, or of what somebody else has put there instead."""
    if isinstance(value, dict):
        value = value.get("invoice")
    return str(value or "").strip()


class _Writer:
    """Writes one batch. ``_in_jira``: ``{Tempo id: (path of the property, number in it)}`` of what Jira shows."""

    def __init__(self, client):
        self.client = client
        self.attribute, self.property = client.setting("billed_attribute"), client.setting("billed_property")
        self._in_jira = {}

    @cached_property
    def _attribute_line(self):
        return check_attribute(self.client)

    # === READING === #

    def look(self, ids):
        """Read the properties of these worklogs, each once.

        :param ids: Tempo's ids; Tempo knows by which ones Jira calls them
        """
        tempo_ids = self._translated(ids)
        rows = self.client.jira("POST", "/worklog/list", kind=list, params={"expand": "properties"},
                                json={"ids": list(tempo_ids)}) if tempo_ids else []
        for row in rows:
            found = {entry["key"]: entry["value"] for entry in row.get("properties") or ()}
            path = f"/issue/{row['issueId']}/worklog/{row['id']}/properties/{quote(self.property, safe='')}"
            self._in_jira[tempo_ids[int(row["id"])]] = (path, _number(found.get(self.property)))

    def _translated(self, ids):
        """Return ``{Jira's id: Tempo's id}``; if one that is gone makes Tempo refuse all, it is left out."""
        if not ids:
            return {}
        try:
            answer = self.client.tempo("POST", "/4/worklogs/tempo-to-jira", params={"offset": 0, "limit": len(ids)},
                                       json={"tempoWorklogIds": ids})
        except NotFoundError:
            half = len(ids) // 2
            return self._translated(ids[:half]) | self._translated(ids[half:]) if half else {}
        return {int(row["jiraWorklogId"]): int(row["tempoWorklogId"]) for row in answer["results"]
                if row.get("jiraWorklogId")}

    # === WRITING === #

    def tell(self, item):
        """Write one status and return ``(whether anything was written, Tempo's new version or "")``."""
        if not item.external_id.isdecimal():
            raise NotFoundError("Tempo does not know this worklog", "http_404")
        worklog = self.client.tempo("GET", f"/4/worklogs/{item.external_id}")
        path, in_jira = self._in_jira.get(worklog["tempoWorklogId"], ("", ""))
        in_tempo, number = attribute(worklog, self.attribute), item.values.get("invoice_number") or ""
        if not item.values.get("invoiced"):
            # A number that is not the one taken back stays.
            return self._take_back(worklog, number and in_tempo == number, path if number and in_jira == number else "")
        if not number:
            raise DataError("An invoice without a number cannot be written back", "billing_status")
        if others := sorted({in_tempo, in_jira} - {"", number}):
            raise ConflictError(f"The worklog is already marked as invoiced under {', '.join(others)}", "invoiced",
                                ours=number, theirs=", ".join(others))
        if number in (in_tempo, in_jira):
            return False, ""
        try:
            return True, self._put_attribute(worklog, number)
        except DataError as refused:
            if refused.code not in _REFUSALS:
                raise
            if not self._attribute_line.ok:
                raise DataError(f"{refused}. {self._attribute_line.message}", refused.code) from refused
            self._put_property(worklog["tempoWorklogId"], path, number, refused)
        return True, ""

    def _take_back(self, worklog, from_tempo, path):
        """Empty the attribute and delete the property, where they hold the number.

        :param path: of the property, or an empty text
        """
        if path:
            self._write_property(worklog["tempoWorklogId"], path, "")
        version = ""
        if from_tempo:
            try:
                version = self._put_attribute(worklog, "")
            except DataError as refused:
                if refused.code not in _REFUSALS:
                    raise
                raise DataError(
                    f"Tempo refused to take the invoice number off worklog {worklog['tempoWorklogId']} ({refused}): "
                    "reopen its period, send the message again and approve the period", refused.code) from refused
        return bool(path or from_tempo), version

    def _put_attribute(self, worklog, number):
        """Send the whole worklog with ``number`` in the attribute (or without it) and return the new version."""
        values = [{"key": entry["key"], "value": entry.get("value")} for entry in worklog["attributes"]["values"]
                  if entry["key"] != self.attribute]
        body = {name: worklog[name] for name in _FIELDS if worklog.get(name) is not None}
        body |= {"authorAccountId": worklog["author"]["accountId"],
                 "attributes": values + ([{"key": self.attribute, "value": number}] if number else [])}
        written = self.client.tempo("PUT", f"/4/worklogs/{worklog['tempoWorklogId']}", json=body)
        if attribute(written, self.attribute) != number:
            raise ConflictError("Tempo took the invoice number but shows another value", "not_taken", ours=number,
                                theirs=attribute(written, self.attribute))
        return version_of(written)

    def _put_property(self, worklog_id, path, number, refused):
        if not path:
            raise DataError(f"Tempo refused to mark worklog {worklog_id} ({refused}), and Jira does not show the "
                            "worklog to the integration user: give that user access to the issue, then send the "
                            "message again", "not_visible") from refused
        self._write_property(worklog_id, path, number)

    def _write_property(self, worklog_id, path, number):
        """Write the property, or delete it when ``number`` is empty."""
        try:
            if number:
                self.client.jira_write("PUT", path, json={"invoice": number})
            else:
                self.client.jira_write("DELETE", path)
        except NotFoundError:
            raise
        except DataError as error:
            raise DataError(
                f"Jira does not let the integration user write the property {self.property} of worklog {worklog_id} "
                f"({error}): give that user the permission “Edit all worklogs” in the issue's project and, with a "
                "consent, the scope write:jira-work, then send the message again", error.code) from error
        self._in_jira[worklog_id] = (path, number)  # a batch may say more than one thing of a worklog
