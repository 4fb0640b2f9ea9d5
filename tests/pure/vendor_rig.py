"""The stand-in of the vendor seen through the connectors: connect, read one run, look into its store."""

import json

from wire_server import session_for

from connectors import get
from connectors.salesforce import declaration

SALESFORCE, CERTINIA = get("salesforce"), get("certinia")
OWNERS = {stream.code: (owner, stream) for owner in (SALESFORCE, CERTINIA) for stream in owner.streams}
RUN = {"page_size": 17, "overlap_seconds": 600, "new_run": True, "since": "", "backfill": False}
DAY, MILESTONE, EXPENSE = CERTINIA.outbound[0].object_types


def connect(vendor, method=declaration.JWT, token=None, **settings):
    known = vendor.credentials
    credentials = {"client_id": known["consumer_key"], "client_secret": known["consumer_secret"],
                   "username": known["username"], "private_key": known["private_key"]}
    return session_for(vendor.url, method, credentials, token, {
        "audience": known["audience"], "organization_id": known["organization_id"], **settings}, read_timeout=2)


def read_run(session, code, cursor=None, **options):
    owner, stream = OWNERS[code]
    records, cursor, new_run = [], cursor or {}, True
    for _number in range(500):
        page = owner.fetch_page(session, stream, cursor, {**RUN, **options, "new_run": new_run})
        records += page.records
        cursor, new_run = json.loads(json.dumps(page.cursor)), False
        if not page.more:
            return records, cursor
    raise AssertionError("endless paging")


def rows(vendor, name, condition=lambda row: True):
    return {id_ for id_, row in vendor.app.store.tables[name.lower()].rows.items()
            if not row.get("IsDeleted") and condition(row)}
