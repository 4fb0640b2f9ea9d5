"""The objects behind the streams: which fields they read, and which of them an org may lack."""

from decimal import Decimal

from .objects import Child, SObject

_ADDRESS = ("BillingStreet", "BillingCity", "BillingState", "BillingPostalCode", "BillingCountry")
_ADDRESS_CODES = ("BillingStateCode", "BillingCountryCode")

_LINES = Child(
    "OpportunityLineItems", "OpportunityLineItem", "OpportunityId",
    required=("Name", "Quantity", "UnitPrice", "TotalPrice"),
    optional=("ProductCode", "Product2.Name", "Product2.ProductCode", "Discount", "ServiceDate", "Description",
              "SortOrder", "Billing_Method__c", "Role__c"))

OBJECTS = {
    "account": SObject(
        "Account", required=("Name",), merges=True,
        optional=("ParentId", "Phone", "Website", *_ADDRESS, *_ADDRESS_CODES, "AccountNumber", "Type",
                  "VAT_Number__c")),
    "contact": SObject(
        "Contact", required=("Name",), merges=True,
        optional=("AccountId", "Email", "Phone", "MobilePhone", "Title"),
        # People who work for the firm are contacts too where a services package marks them so.
        scope={"pse__Is_Resource__c": False}),
    "user": SObject("User", required=("Name", "IsActive"), optional=("Email", "Username"), deletable=False),
    "opportunity": SObject(
        "Opportunity", required=("Name", "AccountId", "IsWon", "CloseDate"), has_currency=True, children=(_LINES,),
        optional=("Amount", "StageName", "OwnerId", "ContactId", "Legal_Entity__c", "Billing_Method__c",
                  "Payment_Terms__c", "Tax_Profile__c", "Project_Template__c", "PO_Number__c")),
}


def with_net_prices(raw):
    """Return an opportunity whose lines carry ``NetUnitPrice``: the unit price after the line's own discount."""
    lines = []
    for line in raw.get("OpportunityLineItems") or ():
        price, discount = line.get("UnitPrice"), line.get("Discount")
        if price is not None and discount:
            price = Decimal(str(price)) * (100 - Decimal(str(discount))) / 100
        lines.append({**line, "NetUnitPrice": price})
    return {**raw, "OpportunityLineItems": lines}
