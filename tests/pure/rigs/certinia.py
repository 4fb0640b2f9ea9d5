"""Certinia PSA on Salesforce: timecards are read, the billing status goes to expenses."""

from connectors.base import PushItem
from rigs.salesforce import POSTED, SalesforceRig
from sandbox.salesforce.store import instant

_TIMECARD, _EXPENSE = "pse__timecard__c", "pse__expense__c"


class CertiniaRig(SalesforceRig):
    code = "certinia"
    stream = "timecard"

    def _table(self, vendor, name=_TIMECARD):
        return vendor.app.store.tables[name]

    def make(self, vendor, count=1, moment=None):
        stamp = instant(moment or vendor.clock.now())
        model = next(row for row in self._table(vendor).rows.values() if not row.get("IsDeleted"))
        values = {key: value for key, value in model.items()
                  if key not in ("Id", "CreatedDate", "LastModifiedDate", "SystemModstamp")}
        return [vendor.app.store.seed("pse__Timecard__c", stamp, **values) for _number in range(count)]

    def touch(self, vendor, external_id, moment=None):
        stamp = instant(moment or vendor.clock.now())
        vendor.app.store.touch("pse__Timecard__c", external_id, stamp, pse__Monday_Notes__c=f"Touched {stamp}")
        return f"Touched {stamp}"

    def narrow(self, vendor):
        vendor.app.control("POST", "hide", {"object": "pse__Expense__c"})
        return "expense"

    # === WRITING === #

    def push_items(self, vendor, count=1):
        ids = sorted(
            id_ for id_, row in self._table(vendor, _EXPENSE).rows.items()
            if row.get("pse__Approved__c") and row.get("pse__Include_In_Financials__c")
            and not row.get("pse__Billed__c"))
        return self.connector.outbound[0], [
            PushItem(f"key-{id_}", "pse__Expense__c", id_, POSTED) for id_ in ids[:count]]

    def other_hand(self, vendor, item):
        self._table(vendor, _EXPENSE).rows[item.external_id].update(
            pse__Billed__c=True, pse__Invoiced__c=True, pse__Invoice_Number__c="PSA-9")

    def remove(self, vendor, item):
        with vendor.app.store.writing() as store:
            store.delete(self._table(vendor, _EXPENSE), item.external_id)


RIG = CertiniaRig()
