"""The site's issue fields, as ``GET /field`` tells of them and as an issue holds them."""

#: ``(id, name, type)`` of what every site has
_SYSTEM = (
    ("summary", "Summary", "string"), ("project", "Project", "project"), ("updated", "Updated", "datetime"),
    ("status", "Status", "status"), ("parent", "Parent", "issuelink"),
    ("timeoriginalestimate", "Original estimate", "number"),
)
_TEXT_FIELD = "com.atlassian.jira.plugin.system.customfieldtypes:textfield"
COST_CENTRE = "customfield_10041"
#: ``{id: name}`` of what the studio's administrators made, all of them texts
CUSTOM = {COST_CENTRE: "Cost centre", "customfield_10042": "Work package"}
#: The ids that an issue's ``fields`` may hold.
IDS = (*(name for name, _label, _type in _SYSTEM), *CUSTOM)


def _body(field_id, name, schema, custom=False):
    clauses = [f"cf[{schema['customId']}]", name] if custom else [field_id]
    return {"id": field_id, "key": field_id, "name": name, "custom": custom, "orderable": True, "navigable": True,
            "searchable": True, "clauseNames": clauses, "schema": schema}


def listed():
    """Return all fields; the issue's key is listed too, but has no schema and stands outside ``fields``."""
    key = {"id": "issuekey", "key": "issuekey", "name": "Key", "custom": False, "orderable": False, "navigable": True,
           "searchable": False, "clauseNames": ["id", "issue", "issuekey", "key"]}
    return [key, *(_body(name, label, {"type": kind, "system": name}) for name, label, kind in _SYSTEM), *(
        _body(name, label, {"type": "string", "custom": _TEXT_FIELD, "customId": int(name.rpartition("_")[2])}, True)
        for name, label in CUSTOM.items())]
