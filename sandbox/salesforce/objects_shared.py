"""Field tables that several objects share, in schema's language."""

DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")

OWNED = """
    OwnerId             ref User
    CurrencyIsoCode     picklist USD;EUR;GBP;CHF +restricted
"""
#: where an ERP may leave the state of an invoice
INVOICE = """
    Odoo_Invoice_Number__c      string 80
    Odoo_Invoice_Date__c        date
    Odoo_Invoice_State__c       string 40
    Odoo_Payment_State__c       string 40
    Odoo_Amount_Residual__c     currency
    Odoo_Invoice_Url__c         url 255
"""
LINK_KEY = """
    Odoo_Id__c                  string 80 +external +unique
"""
