"""The package's objects behind the streams: fields that every version has, and optional ones.

Field names and their meaning follow the package's metadata as firms have it in their orgs; what a firm's version lacks
is left out by the describe.
"""

from ..salesforce.objects import SObject

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HEADER = "pse__Timecard_Header__r"

RESOURCE_TYPE, SPLIT, DAY = "Contact#resource", "pse__Timecard__c", "pse__Timecard__c#day"
PROJECT, MILESTONE, EXPENSE = "pse__Proj__c", "pse__Milestone__c", "pse__Expense__c"

#: The billing block of splits, milestones and expenses.
BILLED, BILL_DATE = "pse__Billed__c", "pse__Bill_Date__c"
INVOICED, INVOICE_NUMBER, INVOICE_DATE = "pse__Invoiced__c", "pse__Invoice_Number__c", "pse__Invoice_Date__c"
EVENT_ITEM = "pse__Billing_Event_Item__c"
_APPROVAL = ("pse__Approved__c", "pse__Include_In_Financials__c", "pse__Status__c")
_BILLING = (BILLED, INVOICED, INVOICE_NUMBER, "pse__Billing_Hold__c", "pse__Exclude_from_Billing__c")

OBJECTS = {
    "resource": SObject(
        "Contact", required=("Name", "pse__Is_Resource__c"), scope={"pse__Is_Resource__c": True}, merges=True,
        has_currency=True,
        optional=("Email", "Legal_Entity__c", "pse__Region__r.Name", "pse__Resource_Role__c",
                  "pse__External_Resource__c", "pse__Is_Resource_Active__c", "pse__Salesforce_User__c",
                  "pse__Default_Cost_Rate__c", "pse__Daily_Default_Cost_Rate__c", "pse__Start_Date__c",
                  "pse__Last_Date__c")),
    "project": SObject(
        PROJECT, required=("Name", "pse__Account__c", "pse__Is_Active__c", "pse__Is_Template__c"), has_currency=True,
        scope={"pse__Is_Template__c": False},
        # The package's own record type for estimates, named with or without its prefix.
        excluded={"RecordType.DeveloperName": ("Estimate", "pse__Estimate")},
        optional=("pse__Project_ID__c", "pse__Opportunity__c", "pse__Project_Manager__c", "Legal_Entity__c",
                  "pse__Region__r.Name", "pse__Start_Date__c", "pse__End_Date__c", "pse__Stage__c",
                  "pse__Billing_Type__c", "pse__Project_Type__c", "pse__Is_Billable__c",
                  "pse__Exclude_From_Billing__c", "pse__Closed_for_Time_Entry__c",
                  "pse__Closed_for_Expense_Entry__c")),
    "assignment": SObject(
        "pse__Assignment__c", required=("pse__Project__c", "pse__Resource__c"), filled=("pse__Resource__c",),
        has_currency=True,
        # The dates are formulas over the schedule, whose change does not stamp the assignment.
        also_stamped_by=("pse__Schedule__r.SystemModstamp",),
        optional=("Name", "pse__Role__c", "pse__Status__c", "pse__Is_Billable__c", "pse__Bill_Rate__c",
                  "pse__Daily_Bill_Rate__c", "pse__Start_Date__c", "pse__End_Date__c",
                  "pse__Closed_for_Time_Entry__c")),
    "milestone": SObject(
        MILESTONE, required=("Name", "pse__Project__c", "pse__Milestone_Amount__c", *_APPROVAL, *_BILLING),
        has_currency=True,
        optional=("pse__Target_Date__c", "pse__Actual_Date__c", INVOICE_DATE, EVENT_ITEM)),
    "timecard": SObject(
        SPLIT, has_currency=True,
        required=("Name", "pse__Project__c", "pse__Resource__c", "pse__Start_Date__c", "pse__End_Date__c",
                  "pse__Billable__c", "pse__Total_Billable_Amount__c", *_APPROVAL, *_BILLING,
                  *(f"pse__{day}_Hours__c" for day in DAYS)),
        optional=("pse__Assignment__c", "pse__Milestone__c", "pse__Total_Hours__c", "pse__Total_Days_Worked__c",
                  "pse__Timecard_Notes__c", INVOICE_DATE, EVENT_ITEM, "pse__Assignment__r.pse__Role__c",
                  *(f"pse__{day}_Notes__c" for day in DAYS),
                  *(f"{HEADER}.{name}" for name in (
                      "Name", "pse__Bill_Rate__c", "pse__Daily_Bill_Rate__c",
                      "pse__Approver__c", "pse__Time_Logged_In_Days__c", "pse__Dated_Bill_Rates_Apply__c")),
                  *(f"{HEADER}.pse__{day}_Days__c" for day in DAYS),
                  *(f"{HEADER}.pse__{day}_Bill_Rate__c" for day in DAYS))),
    "expense": SObject(
        EXPENSE, has_currency=True,
        required=("Name", "pse__Project__c", "pse__Resource__c", "pse__Expense_Date__c", "pse__Type__c",
                  "pse__Amount__c", "pse__Billing_Amount__c", "pse__Billing_Currency__c", "pse__Billable__c",
                  *_APPROVAL, *_BILLING),
        optional=("pse__Description__c", "pse__Non_Reimbursible__c", "pse__Expense_Report__r.Name",
                  "pse__Expense_Split_Parent__c", "pse__Split_Expense__c", INVOICE_DATE, EVENT_ITEM)),
}
