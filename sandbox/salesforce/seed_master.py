"""Seeds what every organisation has: users, currencies, stages, own accounts, units, products and people."""

from datetime import date, timedelta

from .firm import (
    CUSTOMER_TRADES,
    CUSTOMER_WORDS,
    ENTITIES,
    FIRST_NAMES,
    LAST_NAMES,
    PRODUCTS,
    ROLES,
    UNSOLD_ROLE,
    USERS,
)
from .ids import make
from .tax_numbers import tax_number
from .world import Customer, Person, stamp_on

_START = "2025-01-06T09:00:00.000+0000"
#: country -> (name, ISO code, cities, tax profile) of the customers of each entity
_MARKETS = (
    (("United States", "US", ("Denver", "Chicago", "Boston", "Seattle")),) * 4
    + (("United Kingdom", "GB", ("Leeds", "Bristol")),),
    (("Germany", "DE", ("Hamburg", "München", "Köln", "Leipzig")),) * 2
    + (("France", "FR", ("Lyon", "Nantes")), ("Belgium", "BE", ("Antwerpen", "Gent")),
       ("Switzerland", "CH", ("Zürich", "Basel"))),
    (("United Kingdom", "GB", ("Manchester", "Glasgow", "Cardiff", "Leeds")),) * 4
    + (("France", "FR", ("Lille",)),),
)
_STATES = {"Denver": "CO", "Chicago": "IL", "Boston": "MA", "Seattle": "WA"}
_FORMS = {"US": "Inc.", "GB": "Ltd", "DE": "GmbH", "FR": "SAS", "BE": "NV", "CH": "AG"}


def seed_organisation(world):
    """Organisation, users, currencies, stages, units, products, price book, own accounts."""
    world.add("Organization", _START, Name="Alderwick Consulting", IsSandbox=True, DefaultCurrencyIsoCode="USD")
    for number, (first, last, email) in enumerate(USERS, start=1):
        world.user_ids.append(world.add(
            "User", _START, Username=email, Name=f"{first} {last}", FirstName=first, LastName=last, Email=email,
            IsActive=True, EmployeeNumber=f"E{number:03d}", UserType="Standard", TimeZoneSidKey="Europe/London",
            LanguageLocaleKey="en_US"))
    world.store.integration_user = world.user_ids[0]
    for code, rate in (("USD", 1.0), ("EUR", 0.92), ("GBP", 0.79)):
        world.add("CurrencyType", _START, IsoCode=code, ConversionRate=rate, DecimalPlaces=2, IsActive=True,
                  IsCorporate=code == "USD")
    for order, (label, won, closed, chance) in enumerate((
            ("Qualification", False, False, 10.0), ("Proposal", False, False, 50.0),
            ("Negotiation", False, False, 75.0), ("Closed Won", True, True, 100.0),
            ("Closed Lost", False, True, 0.0)), start=1):
        world.add("OpportunityStage", _START, ApiName=label, MasterLabel=label, IsWon=won, IsClosed=closed,
                  IsActive=True, SortOrder=order, DefaultProbability=chance)
    owner = world.user_ids[1]
    for entity in ENTITIES:
        common = {"OwnerId": owner, "CurrencyIsoCode": entity.currency}
        world.region_ids.append(world.add("pse__Region__c", _START, Name=entity.region, **common))
        world.practice_ids.append(world.add("pse__Practice__c", _START, Name=f"Digital {entity.code}", **common))
        world.group_ids.append(world.add("pse__Grp__c", _START, Name=f"Delivery {entity.code}", **common))
        world.own_account_ids.append(world.add(
            "Account", _START, Name=entity.name, Type="Internal", VAT_Number__c=entity.vat,
            BillingStreet=entity.street, BillingCity=entity.city, BillingPostalCode=entity.postal_code,
            BillingCountry=entity.country, BillingCountryCode=entity.country_code, **common))
    world.pricebook_id = world.add("Pricebook2", _START, Name="Standard Price Book", IsActive=True, IsStandard=True)
    for code, name, unit in PRODUCTS:
        product = world.add("Product2", _START, Name=name, ProductCode=code, Family="Services", IsActive=True,
                            QuantityUnitOfMeasure=unit, CurrencyIsoCode="USD", pse__IsServicesProduct__c=True)
        for entity in ENTITIES:
            world.entries[code, entity.currency] = product, world.add(
                "PricebookEntry", _START, Pricebook2Id=world.pricebook_id, Product2Id=product, ProductCode=code,
                Name=name, UnitPrice=float(entity.base_rate), IsActive=True, CurrencyIsoCode=entity.currency)


def seed_people(world):
    """Resources: contacts on the firm's own accounts, plus people whom the integration user cannot see."""
    rng = world.rng("people")
    names = [f"{first} {last}" for last in LAST_NAMES for first in FIRST_NAMES]
    rng.shuffle(names)
    roles = list(ROLES)
    specialists = world.scale.missing_rate_people
    for index in range(len(ENTITIES)):
        count = world.scale.people[index]
        for number in range(count):
            # the last person of an entity is a specialist, whose role no contract line sells
            special = number == count - 1 and count > 1 and specialists > 0
            specialists -= special
            role = UNSOLD_ROLE if special else roles[number % len(roles)]
            _add_person(world, rng, index, names.pop(), role)
    for _hidden in range(world.scale.hidden_people):
        # an id that exists in no table: left the firm, or shared with nobody
        world.hidden_people.append(make("003", 9_000_000 + len(world.hidden_people)))


def _add_person(world, rng, index, name, role):
    entity = ENTITIES[index]
    first, _space, last = name.partition(" ")
    factor = ROLES.get(role, 120)
    cost = entity.base_cost * factor // 100
    email = f"{first}.{last}@alderwick.example".lower().replace("'", "")
    id_ = world.add(
        "Contact", stamp_on(date(2025, 3, 3) + timedelta(days=rng.randrange(300)), rng), FirstName=first,
        LastName=last, Name=name, Email=email, AccountId=world.own_account_ids[index], Title=role,
        OwnerId=world.user_ids[1], CurrencyIsoCode=entity.currency, Legal_Entity__c=entity.code,
        pse__Is_Resource__c=True, pse__Is_Resource_Active__c=True, pse__Resource_Role__c=role,
        pse__Region__c=world.region_ids[index], pse__Practice__c=world.practice_ids[index],
        pse__Group__c=world.group_ids[index], pse__External_Resource__c=rng.random() < 0.1 or None,
        pse__Start_Date__c="2024-01-08", pse__Employment_Status__c="Active", pse__Default_Cost_Rate__c=float(cost))
    world.people.append(Person(id_, index, name, role, cost))


def seed_customers(world):
    """Customers with a contact each, prospects, and duplicate accounts (same tax number, own id, no deals)."""
    rng = world.rng("customers")
    names = [f"{word} {trade}" for word in CUSTOMER_WORDS for trade in CUSTOMER_TRADES]
    rng.shuffle(names)
    taken = set()
    for index in range(len(ENTITIES)):
        for number in range(world.scale.customers[index]):
            market = _MARKETS[index]
            country = market[number % len(market)]
            name = f"{names.pop()} {_FORMS[country[1]]}"
            world.customers.append(_add_customer(world, rng, index, name, country, taken))
    for _prospect in range(world.scale.open_deals):
        world.add("Account", stamp_on(date(2026, 5, 4), rng), Name=f"{names.pop()} Inc.", Type="Prospect",
                  OwnerId=world.user_ids[1], CurrencyIsoCode="USD", BillingCountry="United States",
                  BillingCountryCode="US")
    for number in range(world.scale.duplicate_accounts):
        original = world.customers[number * 5 % len(world.customers)]
        row = world.row("Account", original.id)
        copied = {key: row.get(key) for key in (
            "VAT_Number__c", "BillingStreet", "BillingCity", "BillingPostalCode", "BillingCountry",
            "BillingCountryCode", "CurrencyIsoCode", "OwnerId")}
        duplicate = world.add("Account", stamp_on(date(2026, 6, 22), rng), Name=f"{original.name} (imported)",
                              Type="Customer", **copied)
        world.duplicates.append((duplicate, original.id))


def _add_customer(world, rng, index, name, country, taken):
    country_name, code, cities = country
    city = rng.choice(cities)
    vat = tax_number(code, rng)
    while vat in taken:
        vat = tax_number(code, rng)
    taken.add(vat)
    domain = "".join(char for char in name.rpartition(" ")[0].lower() if char.isalpha()) + ".example"
    created = date(2025, 2, 3) + timedelta(days=rng.randrange(240))
    account = world.add(
        "Account", stamp_on(created, rng), Name=name, Type="Customer", VAT_Number__c=vat,
        AccountNumber=f"C-{1000 + len(world.customers)}", OwnerId=world.user_ids[1 + index],
        CurrencyIsoCode=ENTITIES[index].currency, BillingStreet=f"{rng.randrange(1, 190)} Market Street",
        BillingCity=city, BillingStateCode=_STATES.get(city), BillingState=_STATES.get(city),
        BillingPostalCode=str(rng.randrange(10000, 99999)), BillingCountry=country_name, BillingCountryCode=code,
        Phone=f"+1 555 01{rng.randrange(10, 99)}", Website=f"https://www.{domain}",
        Industry=name.split()[1], NumberOfEmployees=rng.randrange(50, 5000))
    first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
    contact = world.add(
        "Contact", stamp_on(created + timedelta(days=1), rng), FirstName=first, LastName=last, Name=f"{first} {last}",
        Email=f"{first}.{last}@{domain}".lower().replace("'", ""), AccountId=account, Title="Finance Manager",
        OwnerId=world.user_ids[1 + index], CurrencyIsoCode=ENTITIES[index].currency)
    return Customer(account, index, name, code, contact)
