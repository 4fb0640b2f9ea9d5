"""The objects of Certinia PSA, a package on the same platform (prefix ``pse__``), in schema's language."""

from .objects_shared import DAYS, INVOICE, LINK_KEY, OWNED

_HOURS_AND_NOTES = "".join(
    f"    pse__{day}_Hours__c double\n    pse__{day}_Notes__c textarea 255\n" for day in DAYS)
_APPROVAL = """
    pse__Submitted__c               boolean
    pse__Approved__c                boolean
    pse__Include_In_Financials__c   boolean
"""
_BILLING = """
    pse__Approved_for_Billing__c    boolean
    pse__Billing_Hold__c            boolean
    pse__Exclude_from_Billing__c    boolean
    pse__Billed__c                  boolean
    pse__Bill_Date__c               date
    pse__Invoiced__c                boolean
    pse__Invoice_Number__c          string 80
    pse__Invoice_Date__c            date
    pse__Billing_Event_Item__c      ref pse__Billing_Event_Item__c
    pse__Eligible_for_Billing__c    string 255 +formula
"""
_ADMIN = """
    pse__Admin_Global_Edit__c       boolean
    pse__Audit_Notes__c             textarea 255
"""
_UNITS = """
    pse__Region__c                  ref pse__Region__c
    pse__Practice__c                ref pse__Practice__c
    pse__Group__c                   ref pse__Grp__c
"""


def _unit(parent):
    return OWNED + f"""
        Name                    string 80 +required
        pse__Parent_{parent}__c string 18
        pse__Hierarchy_Depth__c double
    """


PSA = (
    ("pse__Region__c", "a0R", _unit("Region")),
    ("pse__Practice__c", "a0Q", _unit("Practice")),
    ("pse__Grp__c", "a0G", _unit("Group")),
    ("pse__Proj__c", "a1P", OWNED + _UNITS + LINK_KEY + """
        Name                    string 80 +required
        pse__Project_ID__c      string 30 +readonly
        pse__Account__c         ref Account pse__Projects__r
        pse__Opportunity__c     ref Opportunity pse__Projects__r
        pse__Opportunity_Owner__c ref User
        pse__Project_Manager__c ref Contact
        Legal_Entity__c         string 20
        pse__Start_Date__c      date
        pse__End_Date__c        date
        pse__Stage__c           picklist Planned;In_Progress;On_Hold;Completed;Canceled
        pse__Project_Status__c  picklist Green;Yellow;Red
        pse__Project_Type__c    picklist Customer_Project;Internal
        pse__Billing_Type__c    picklist Time_and_Materials;Fixed_Price;Milestone
        pse__Is_Active__c       boolean
        pse__Is_Billable__c     boolean
        pse__Is_Template__c     boolean
        pse__Exclude_From_Billing__c boolean
        pse__Closed_for_Time_Entry__c boolean
        pse__Closed_for_Expense_Entry__c boolean
        pse__Allow_Timecards_Without_Assignment__c boolean
        pse__Allow_Expenses_Without_Assignment__c boolean
        pse__Time_Logged_In_Days__c boolean
        pse__Master_Project__c  ref pse__Proj__c
        pse__Parent_Project__c  ref pse__Proj__c
        pse__Planned_Hours__c   double
        pse__Project_Phase__c   picklist
        pse__Services_Billing_Time_Period_Type__c picklist Week;Month;Quarter;Year
        pse__Recognition_Method__c picklist
        pse__Bookings__c        currency +readonly
        pse__Pre_Billed__c      currency +readonly
        pse__Revenue__c         currency +readonly
        pse__Margin__c          currency +formula
        pse__Billings__c        currency +readonly
        pse__Billed__c          currency +readonly
        pse__Invoiced__c        currency +readonly
    """),
    ("pse__Schedule__c", "a0S", """
        Name                    string 80 +readonly
        pse__Start_Date__c      date +required
        pse__End_Date__c        date +required
        pse__Scheduled_Hours__c double
    """),
    ("pse__Assignment__c", "a0A", OWNED + """
        Name                    string 80
        pse__Assignment_Number__c string 30 +readonly
        pse__Project__c         ref pse__Proj__c pse__Assignments__r +required
        pse__Resource__c        ref Contact pse__Assignments__r +required
        pse__Role__c            picklist
        pse__Status__c          picklist Tentative;Scheduled;Closed
        pse__Is_Billable__c     boolean
        pse__Bill_Rate__c       currency 4
        pse__Daily_Bill_Rate__c boolean
        pse__Cost_Rate_Amount__c currency
        pse__Cost_Rate_Currency_Code__c string 3
        pse__Schedule__c        ref pse__Schedule__c +once
        pse__Start_Date__c      date +formula
        pse__End_Date__c        date +formula
        pse__Planned_Bill_Rate__c currency 4
        pse__Planned_Hours__c   double
        pse__Percent_Allocated__c double
        pse__Milestone__c       ref pse__Milestone__c
        pse__Closed_for_Time_Entry__c boolean
        pse__Closed_for_Expense_Entry__c boolean
        pse__Exclude_from_Billing__c boolean
    """),
    ("pse__Milestone__c", "a1M", OWNED + _APPROVAL + _BILLING + _ADMIN + INVOICE + """
        Name                    string 80 +required
        pse__Description__c     textarea
        pse__Project__c         ref pse__Proj__c pse__Milestones__r +required
        pse__Milestone_Amount__c currency
        pse__Milestone_Cost__c  currency
        pse__Planned_Hours__c   double
        pse__Target_Date__c     date +required
        pse__Start_Date__c      date
        pse__Actual_Date__c     date
        pse__Status__c          picklist Planned;Open;Approved;Completed;Canceled
        pse__Opportunity_Product__c ref OpportunityLineItem
        pse__Approver__c        ref User
        pse__Requires_Customer_Sign_off__c boolean
    """),
    ("pse__Timecard_Header__c", "a2T", OWNED + _APPROVAL + _ADMIN + _HOURS_AND_NOTES + """
        Name                    string 80 +readonly
        pse__Resource__c        ref Contact pse__Timecards__r +required
        pse__Project__c         ref pse__Proj__c pse__Timecards__r +required
        pse__Assignment__c      ref pse__Assignment__c pse__Timecards__r
        pse__Milestone__c       ref pse__Milestone__c
        pse__Start_Date__c      date +required
        pse__End_Date__c        date +required
        pse__Timecard_Notes__c  textarea
        pse__Additional_Notes__c textarea
        pse__Time_Logged_In_Days__c boolean
        pse__Cost_Rate_Amount__c currency
        pse__Cost_Rate_Currency_Code__c string 3
        pse__Total_Hours__c     double +formula
        pse__Total_Days_Worked__c double +formula
        pse__Billable__c        boolean
        pse__Bill_Rate__c       currency 4
        pse__Daily_Bill_Rate__c boolean
        pse__Total_Billable_Amount__c currency +formula
        pse__Status__c          picklist Saved;Submitted;Approved;Rejected +restricted
        pse__Exclude_from_Billing__c boolean
        pse__Billed__c          boolean
        pse__Invoiced__c        boolean
        pse__Time_Credited__c   boolean
        pse__Time_Excluded__c   boolean
        pse__External_Resource__c boolean
        pse__Approver__c        ref User
    """),
    ("pse__Timecard__c", "a2S", _APPROVAL + _BILLING + _ADMIN + INVOICE + _HOURS_AND_NOTES + """
        CurrencyIsoCode         picklist USD;EUR;GBP;CHF +restricted
        Name                    string 80 +readonly
        pse__Timecard_Header__c ref pse__Timecard_Header__c pse__TimecardSplits__r +required +once
        pse__Project__c         ref pse__Proj__c pse__TimecardSplits__r
        pse__Resource__c        ref Contact pse__TimecardSplits__r
        pse__Assignment__c      ref pse__Assignment__c pse__TimecardSplits__r
        pse__Milestone__c       ref pse__Milestone__c
        pse__Start_Date__c      date
        pse__End_Date__c        date
        pse__Status__c          picklist Saved;Submitted;Approved;Rejected +restricted
        pse__Billable__c        boolean
        pse__Timecard_Notes__c  textarea
        pse__Total_Hours__c     double
        pse__Total_Days_Worked__c double
        pse__Total_Billable_Amount__c currency
        pse__Total_Cost__c      currency
        pse__Time_Credited__c   boolean
        pse__Time_Excluded__c   boolean
    """),
    ("pse__Expense_Report__c", "a2R", OWNED + _APPROVAL + """
        Name                    string 80 +required
        pse__Resource__c        ref Contact
        pse__Project__c         ref pse__Proj__c pse__ExpenseReports__r
        pse__Assignment__c      ref pse__Assignment__c
        pse__Status__c          picklist Draft;Submitted;Approved;Rejected +restricted
        pse__Billable__c        boolean
        pse__Billed__c          boolean
        pse__Invoiced__c        boolean
        pse__First_Expense_Date__c date
        pse__Last_Expense_Date__c date
        pse__Total_Billable_Amount__c double
        pse__Total_Reimbursement_Amount__c double
        pse__Reimbursement_Currency__c string 3
        pse__Approver__c        ref User
        pse__Expense_Report_Reference__c string 255 +external +unique
    """),
    ("pse__Expense__c", "a2E", OWNED + _APPROVAL + _BILLING + _ADMIN + INVOICE + """
        Name                    string 80 +readonly
        pse__Expense_Report__c  ref pse__Expense_Report__c pse__Expense_Lines__r
        pse__Project__c         ref pse__Proj__c pse__Expenses__r
        pse__Resource__c        ref Contact
        pse__Assignment__c      ref pse__Assignment__c
        pse__Milestone__c       ref pse__Milestone__c
        pse__Expense_Date__c    date +required
        pse__Type__c            picklist
        pse__Amount__c          currency +required
        pse__Billing_Amount__c  double
        pse__Billing_Currency__c string 3
        pse__Billing_Amount_Pre_Fee_Subtotal__c double
        pse__Billable_Fee_Percentage__c double
        pse__Billable_Fee_Flat_Amount__c double
        pse__Reimbursement_Amount__c double
        pse__Reimbursement_Currency__c string 3
        pse__Non_Billable_Incurred_Amount__c double
        pse__Incurred_Tax__c    double
        pse__Billable__c        boolean
        pse__Non_Reimbursible__c boolean
        pse__Lost_Receipt__c    boolean
        pse__Distance__c        double
        pse__Rate_Unit__c       picklist Mile;Kilometer
        pse__Tax_Type__c        picklist
        pse__Split_Expense__c   boolean
        pse__Expense_Split_Parent__c ref pse__Expense__c
        pse__Billable_Amount__c currency +formula
        pse__Status__c          picklist Draft;Submitted;Approved;Rejected +restricted
        pse__Description__c     textarea
        pse__Notes__c           textarea
        pse__Mobile_Expense_Reference_ID__c string 255 +external +unique
    """),
    ("pse__Billing_Event__c", "a0B", OWNED + INVOICE + """
        Name                    string 80 +readonly
        pse__Project__c         ref pse__Proj__c pse__Billing_Events__r
        pse__Date__c            date
        pse__Billing_Contact__c ref Contact
        pse__Summary_Amount__c  currency
        pse__Is_Approved__c     boolean
        pse__Status__c          picklist
        pse__Is_Released__c     boolean
        pse__Invoiced__c        boolean
        pse__Invoice_Number__c  string 80
        pse__Invoice_Date__c    date
        pse__Customer_Reference__c string 50
        pse__Event_Key__c       string 150 +external +unique
    """),
    ("pse__Billing_Event_Item__c", "a0I", """
        CurrencyIsoCode         picklist USD;EUR;GBP;CHF
        Name                    string 80 +readonly
        pse__Billing_Event__c   ref pse__Billing_Event__c pse__Billing_Event_Items__r
        pse__Project__c         ref pse__Proj__c
        pse__Category__c        picklist Timecard;Expense;Milestone;Miscellaneous_Adjustment;Budget
        pse__Description__c     textarea
        pse__Date__c            date
        pse__Quantity__c        double 6
        pse__Unit_Price__c      currency
        pse__Amount__c          currency
        pse__ProductService__c  ref Product2
        pse__Timecard_Split__c  ref pse__Timecard__c
        pse__Expense__c         ref pse__Expense__c
        pse__Milestone__c       ref pse__Milestone__c
        pse__Object_Id__c       string 18
    """),
    ("pse__Budget__c", "a0C", OWNED + _APPROVAL + """
        Name                    string 80 +required
        pse__Project__c         ref pse__Proj__c pse__Budgets__r
        pse__Account__c         ref Account
        pse__Opportunity__c     ref Opportunity
        pse__Type__c            picklist Customer_Purchase_Order;Internal_Budget
        pse__Status__c          picklist Draft;Open;Approved;Rejected
        pse__Amount__c          currency +required
        pse__Effective_Date__c  date
    """),
    ("pse__Miscellaneous_Adjustment__c", "a0M", OWNED + _APPROVAL + _BILLING + _ADMIN + """
        Name                    string 80 +required
        pse__Project__c         ref pse__Proj__c pse__MiscellaneousAdjustments__r
        pse__Amount__c          currency +required
        pse__Effective_Date__c  date
        pse__Transaction_Category__c picklist
        pse__Status__c          picklist Draft;Submitted;Approved;Rejected
    """),
)
