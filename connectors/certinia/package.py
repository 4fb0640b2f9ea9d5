"""The Certinia PSA package: what it adds to a Salesforce connection."""

from ..base import OutboundSpec, Package, SettingField, StreamSpec
from ..salesforce.declaration import read_data

SPLIT, DAY = "pse__Timecard__c", "pse__Timecard__c#day"
MILESTONE, EXPENSE = "pse__Milestone__c", "pse__Expense__c"
RESOURCE = "Contact#resource"


class CertiniaPackage(Package):
    code = "certinia"
    label = "Certinia PSA"
    host = "salesforce"
    settings = (
        SettingField("psa_hours_per_day", "Hours in a day (day-based timecards)",
                     help="Used only for timecards logged in days that state no hours; without it they are held"),
    )
    streams = (
        StreamSpec("resource", "Resources", RESOURCE, "resource", 30, webhook=True, page_size=2000),
        StreamSpec("project", "Projects", "pse__Proj__c", "project", 50, webhook=True, page_size=2000),
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

    def default_mappings(self):
        return read_data(__file__, "mappings.json")

    def default_value_maps(self):
        return read_data(__file__, "value_maps.json")
