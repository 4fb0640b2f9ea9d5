"""Salesforce's own objects, with the firm's own fields on them (those that end in ``__c``).

The firm's fields say what a deal must hold before it can be invoiced.
"""

from .objects_shared import INVOICE, LINK_KEY, OWNED


def _address(prefix):
    return f"""
    {prefix}Street          textarea 255
    {prefix}City            string 40
    {prefix}State           string 80
    {prefix}StateCode       string 10
    {prefix}PostalCode      string 20
    {prefix}Country         string 80
    {prefix}CountryCode     string 10
"""


STANDARD = (
    ("Organization", "00D", """
        Name                    string 80
        IsSandbox               boolean +readonly
        DefaultCurrencyIsoCode  string 3
    """),
    ("User", "005", """
        Username                string 80 +required
        Name                    string 121 +readonly
        FirstName               string 40
        LastName                string 80 +required
        Email                   email 128 +required
        IsActive                boolean
        EmployeeNumber          string 20
        ManagerId               ref User
        FederationIdentifier    string 240
        UserType                picklist Standard
        TimeZoneSidKey          string 40
        LanguageLocaleKey       string 40
    """),
    ("CurrencyType", "01L", """
        IsoCode                 string 3 +required
        ConversionRate          double 6
        DecimalPlaces           int
        IsActive                boolean
        IsCorporate             boolean
    """),
    ("Account", "001", OWNED + LINK_KEY + _address("Billing") + _address("Shipping") + """
        Name                    string 255 +required
        ParentId                ref Account ChildAccounts
        MasterRecordId          ref Account +readonly
        Type                    picklist Customer;Prospect;Internal
        AccountNumber           string 40
        Phone                   phone
        Fax                     phone
        Website                 url 255
        Industry                picklist
        NumberOfEmployees       int
        AnnualRevenue           currency
        Description             textarea
        VAT_Number__c           string 20
        Registration_Number__c  string 40
    """),
    ("Contact", "003", OWNED + LINK_KEY + _address("Mailing") + """
        AccountId               ref Account Contacts
        MasterRecordId          ref Contact +readonly
        Name                    string 121 +readonly
        FirstName               string 40
        LastName                string 80 +required
        Salutation              picklist Mr.;Ms.
        Email                   email 80
        Phone                   phone
        MobilePhone             phone
        Title                   string 128
        Department              string 80
        ReportsToId             ref Contact
        Legal_Entity__c         string 20
        pse__Is_Resource__c             boolean
        pse__Is_Resource_Active__c      boolean
        pse__Salesforce_User__c         ref User
        pse__Resource_Role__c           picklist
        pse__Region__c                  ref pse__Region__c
        pse__Practice__c                ref pse__Practice__c
        pse__Group__c                   ref pse__Grp__c
        pse__External_Resource__c       boolean
        pse__Start_Date__c              date
        pse__Last_Date__c               date
        pse__Employment_Status__c       picklist Active;Terminated
        pse__Default_Cost_Rate__c       currency
        pse__Daily_Default_Cost_Rate__c boolean
        pse__Allow_Timecards_Without_Assignment__c boolean
        pse__API_Resource_Correlation_Id__c string 80 +external
        pse__ERP_Worker_Correlation_Id__c   string 80 +external
    """),
    ("OpportunityStage", "01J", """
        ApiName                 string 80
        MasterLabel             string 80
        IsWon                   boolean
        IsClosed                boolean
        IsActive                boolean
        SortOrder               int
        DefaultProbability      percent
    """),
    ("Opportunity", "006", OWNED + LINK_KEY + INVOICE + """
        Name                    string 120 +required
        AccountId               ref Account Opportunities
        ContactId               ref Contact +readonly
        StageName               picklist +required
        IsWon                   boolean +readonly
        IsClosed                boolean +readonly
        CloseDate               date +required
        Amount                  currency
        Probability             percent
        ExpectedRevenue         currency +readonly
        Type                    picklist New_Business;Existing_Business
        LeadSource              picklist
        ForecastCategoryName    picklist
        Description             textarea
        Pricebook2Id            ref Pricebook2
        HasOpportunityLineItem  boolean +readonly
        Legal_Entity__c         string 20
        Billing_Method__c       picklist Time_and_Materials;Fixed_Price;Milestone
        Payment_Terms__c        string 40
        Tax_Profile__c          picklist Domestic;EU_B2B;Export
        Project_Template__c     string 80
        PO_Number__c            string 50
        pse__Primary_Project__c         ref pse__Proj__c
        pse__Is_Services_Opportunity__c boolean
        pse__Is_Change_Request__c       boolean
        pse__Parent_Opportunity__c      ref Opportunity
        pse__Region__c                  ref pse__Region__c
        pse__Practice__c                ref pse__Practice__c
        pse__Group__c                   ref pse__Grp__c
    """),
    ("OpportunityContactRole", "00K", """
        OpportunityId           ref Opportunity OpportunityContactRoles +required
        ContactId               ref Contact +required
        Role                    picklist
        IsPrimary               boolean
    """),
    ("OpportunityLineItem", "00k", """
        CurrencyIsoCode         picklist USD;EUR;GBP;CHF +readonly
        OpportunityId           ref Opportunity OpportunityLineItems +required +once
        PricebookEntryId        ref PricebookEntry +once
        Product2Id              ref Product2 +readonly
        ProductCode             string 255 +readonly
        Name                    string 376 +readonly
        Quantity                double +required
        UnitPrice               currency 4
        ListPrice               currency +readonly
        TotalPrice              currency
        Discount                percent
        Subtotal                currency +readonly
        ServiceDate             date
        Description             string 255
        SortOrder               int
        Billing_Method__c       picklist Time_and_Materials;Fixed_Price;Milestone
        Role__c                 picklist
        pse__IsServicesProductLine__c   boolean
        pse__Added_To_Project__c        boolean
    """),
    ("Product2", "01t", """
        CurrencyIsoCode         picklist USD;EUR;GBP;CHF
        Name                    string 255 +required
        ProductCode             string 255
        Description             textarea 4000
        Family                  picklist
        IsActive                boolean
        QuantityUnitOfMeasure   picklist Hours;Each
        StockKeepingUnit        string 180
        pse__IsServicesProduct__c boolean
    """),
    ("Pricebook2", "01s", """
        Name                    string 255 +required
        IsActive                boolean
        IsStandard              boolean +readonly
    """),
    ("PricebookEntry", "01u", """
        CurrencyIsoCode         picklist USD;EUR;GBP;CHF
        Pricebook2Id            ref Pricebook2 PricebookEntries +required +once
        Product2Id              ref Product2 PricebookEntries +required +once
        UnitPrice               currency +required
        IsActive                boolean
        UseStandardPrice        boolean
        ProductCode             string 255 +readonly
        Name                    string 255 +readonly
    """),
)
