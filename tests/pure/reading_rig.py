"""Two small orgs (accounts, deals) and one run of reading."""

import json
from datetime import timedelta

from mini_org import NOW, MiniOrg, field, text

from connectors import get
from connectors.salesforce.ids import to_18

CONNECTOR = get("salesforce")
STREAMS = {stream.code: stream for stream in CONNECTOR.streams}
RUN = {"page_size": 3, "overlap_seconds": 600, "new_run": True, "since": "", "backfill": False}
ACCOUNT_FIELDS = [field("Id", "id"), field("Name"), field("SystemModstamp", "datetime"), field("IsDeleted", "boolean"),
                  field("MasterRecordId", "reference"), field("ParentId", "reference"), field("BillingCity")]
OLD = timedelta(days=2)


def account_id(number):
    return to_18(f"0015g00000{number:05d}")


def accounts(count, moment=NOW - OLD, **more):
    return {account_id(number): {"Id": account_id(number), "Name": f"A{number}", "SystemModstamp": text(moment),
                                 "IsDeleted": False, **more} for number in range(count)}


def read_run(session, stream, cursor, **options):
    """Read pages until there are no more; the cursor goes through JSON like in the database."""
    records, pages, new_run = [], [], True
    while True:
        page = CONNECTOR.fetch_page(session, stream, cursor, {**RUN, **options, "new_run": new_run})
        pages.append(page)
        records += page.records
        cursor, new_run = json.loads(json.dumps(page.cursor)), False
        if not page.more:
            return records, cursor, pages
        assert len(pages) < 200


def accounts_org():
    return MiniOrg({"Account": accounts(10)}, {"Account": ACCOUNT_FIELDS})


OPPORTUNITY_FIELDS = [field("Id", "id"), field("Name"), field("SystemModstamp", "datetime"), field("IsDeleted"),
                      field("AccountId"), field("IsWon", "boolean"), field("CloseDate", "date"),
                      field("Amount", "currency")]
LINE_FIELDS = [field("Id", "id"), field("Name"), field("OpportunityId"), field("Quantity", "double"),
               field("UnitPrice", "currency"), field("TotalPrice", "currency"), field("Discount", "percent"),
               field("SystemModstamp", "datetime"),
               field("Product2Id", "reference", relationshipName="Product2", referenceTo=["Product2"])]
DEAL = to_18("0065g00000Lm9Qr")


def deals_org():
    line = {"OpportunityId": DEAL, "Quantity": 3, "UnitPrice": 99.99, "TotalPrice": 269.97, "Discount": 10,
            "SystemModstamp": text(NOW - timedelta(hours=1)), "Product2": {"Name": "Consulting", "ProductCode": "C-1"}}
    return MiniOrg({
        "Opportunity": {DEAL: {"Id": DEAL, "Name": "Deal", "AccountId": account_id(1), "IsWon": True,
                               "CloseDate": "2026-05-14", "Amount": 269.97, "SystemModstamp": text(NOW - OLD)}},
        "OpportunityLineItem": {"l1": {**line, "Id": "l1", "Name": "L1"}, "l2": {
            **line, "Id": "l2", "Name": "L2", "Discount": None, "OpportunityId": "other"}},
        "Organization": {"o": {"Id": "o", "DefaultCurrencyIsoCode": "GBP"}},
    }, {"Opportunity": OPPORTUNITY_FIELDS, "OpportunityLineItem": LINE_FIELDS,
        "Product2": [field("Name"), field("ProductCode")],
        "Organization": [field("Id"), field("DefaultCurrencyIsoCode")]})
