"""The Certinia PSA package: what it adds to a Salesforce connection.

The hub bills the package's approved records itself; the package's own billing events are not used. Where a firm lets
the package (or an add-on of it) make invoices too, both would bill the same work: the connection test warns of it.
"""

from ..base import Check, OutboundSpec, Package, Part, SettingField, StreamSpec
from ..errors import MissingScopeError
from ..salesforce import checks
from ..salesforce.client import client_of
from ..salesforce.declaration import NOT_APPLICABLE
from ..salesforce.reader import Reader
from ..salesforce.wanted import described, with_wanted
from . import billing_status
from .streams import DAY, EXPENSE, MILESTONE, OBJECTS, PROJECT, RESOURCE_TYPE, SPLIT
from .timecards import HOURS_PER_DAY, split_days

#: Packages that turn the same records into invoices of their own.
_OTHER_BILLERS = {"ffpsai__": "PSA to Accounting connector", "c2g__": "Certinia accounting",
                  "fferpcore__BillingDocument__c": "Certinia billing documents"}


class CertiniaPackage(Package):
    """Projects, resources, assignments, milestones, time and expenses; billing status back to them."""

    code = "certinia"
    label = "Certinia PSA"
    host = "salesforce"
    settings = (
        SettingField(HOURS_PER_DAY, "Hours in a day (day-based timecards)",
                     help="Used only for timecards logged in days that state no hours; without it they are held"),
    )
    streams = (
        StreamSpec("resource", "Resources", RESOURCE_TYPE, "resource", 30, webhook=True, page_size=2000),
        StreamSpec("project", "Projects", PROJECT, "project", 50, webhook=True, page_size=2000),
        StreamSpec("assignment", "Assignments", "pse__Assignment__c", "assignment", 60, webhook=True,
                   page_size=2000),
        StreamSpec("milestone", "Milestones", MILESTONE, "milestone", 70, webhook=True, page_size=2000),
        StreamSpec("timecard", "Timecards", SPLIT, "time", 80, parts=(DAY,), webhook=True, page_size=1000),
        StreamSpec("expense", "Expenses", EXPENSE, "expense", 90, webhook=True, page_size=2000),
    )
    outbound = (
        OutboundSpec("record_billing_status", "Invoice status on timecards, milestones and expenses",
                     "billing_status", (DAY, MILESTONE, EXPENSE), batch_size=200),
    )
    not_applicable = {
        **{name: reason for name, reason in NOT_APPLICABLE.items() if name != "write_conflict"},
        "merge": "Salesforce merges accounts, contacts and leads, no records of this package",
        "memory": "Pages are read by the platform's reader, which is measured with Salesforce",
    }

    # === READING === #

    def fetch_page(self, session, stream, cursor, options):
        page = self._reader(session, stream).page(cursor, options)
        self._add_settings(session, stream, page.records)
        return page

    def fetch_records(self, session, stream, external_ids):
        records = self._reader(session, stream).by_ids(external_ids)
        self._add_settings(session, stream, records)
        return records

    @staticmethod
    def _reader(session, stream):
        return Reader(session, with_wanted(session, stream, OBJECTS[stream.code]), stream.object_type)

    def describe_fields(self, session, stream):
        return described(session, OBJECTS[stream.code])

    @staticmethod
    def _add_settings(session, stream, records):
        """Leave the setting that :meth:`split` needs in the records: a split sees the payload only."""
        hours = (session.settings.get(HOURS_PER_DAY) or "").strip()
        if stream.code == "timecard" and hours:
            for record in records:
                if record.raw:
                    record.raw[HOURS_PER_DAY] = hours

    def split(self, stream, raw, external_id):
        if stream.code == "timecard":
            return split_days(raw, external_id)
        return [Part(stream.object_type, external_id, stream.canonical_type, raw)]

    # === WRITING === #

    def push(self, session, outbound, items):
        return billing_status.push(session, items)

    # === CHECK === #

    def check(self, session):
        (outbound,) = self.outbound
        found = checks.check_streams(session, self.streams, OBJECTS)
        for source in (SPLIT, MILESTONE, EXPENSE):
            found += self._check_write(session, outbound.code, source)
        return [*found, self._check_other_billers(session)]

    @staticmethod
    def _check_write(session, code, source):
        """Check the right to edit the billing fields; an object that the firm does not use is no hindrance."""
        label = f"Billing fields of {source}"
        try:
            describe = client_of(session).describe(source)
        except MissingScopeError:
            return [Check(f"{code}:{source}", label, True, f"{source} is not visible: nothing is written to it")]
        refused = billing_status.not_editable(describe)
        if refused:
            return [Check(f"{code}:{source}", label, False,
                          f"Give the integration user edit access to {', '.join(refused)}", (code,))]
        return [Check(f"{code}:{source}", label, True, "Number, date and status can be written"),
                checks.check_status_fields(session, f"{code}_custom", source, needed=False)]

    @staticmethod
    def _check_other_billers(session):
        """Warn of packages that would bill the same work; it is a matter of set-up, so it blocks nothing."""
        names = client_of(session).object_names()
        found = sorted({label for prefix, label in _OTHER_BILLERS.items()
                        if any(name.startswith(prefix) for name in names)})
        if not found:
            return Check("other_billers", "Other billing", True, "No other package of the org makes invoices")
        return Check("other_billers", "Other billing", True,
                     f"ATTENTION: {', '.join(found)} is installed. Make sure that it does not invoice the projects "
                     "that are billed here, or they are billed twice")
