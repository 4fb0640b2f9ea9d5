"""Fixed facts of the firm: legal entities, roles, words. What varies with the seed is in the ``seed*`` modules."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Entity:
    """A legal entity. ``base_rate`` is a consultant's price of an hour in its currency."""

    code: str
    currency: str
    name: str
    street: str
    city: str
    postal_code: str
    country: str
    country_code: str
    vat: str
    base_rate: int
    base_cost: int
    region: str


ENTITIES = (
    Entity("US01", "USD", "Alderwick Consulting Inc.", "200 Congress Avenue", "Austin", "78701", "United States", "US",
           "74-2905182", 180, 70, "North America"),
    Entity("DE01", "EUR", "Alderwick Consulting GmbH", "Friedrichstraße 88", "Berlin", "10117", "Germany", "DE",
           "DE136695976", 150, 62, "Continental Europe"),
    Entity("UK01", "GBP", "Alderwick Consulting Ltd", "40 Basinghall Street", "London", "EC2V 5DE", "United Kingdom",
           "GB", "GB980780684", 130, 55, "United Kingdom and Ireland"),
)

QUARTER_START, QUARTER_END = date(2026, 4, 1), date(2026, 6, 30)

#: role -> price and cost factor in percent of the entity's base
ROLES = {
    "Consultant": 100, "Senior Consultant": 125, "Solution Architect": 155, "Developer": 105, "Data Engineer": 115,
    "Business Analyst": 95, "Project Manager": 135,
}
#: a role that people have and value maps know, and that no contract line sells
UNSOLD_ROLE = "Data Scientist"
#: a role that no value map knows
UNKNOWN_ROLE = "Prompt Engineer"

BILLING_METHODS = ("Time and Materials", "Fixed Price", "Milestone")
PAYMENT_TERMS = ("Net 15", "Net 30", "Net 45", "Net 60")
PROJECT_TEMPLATES = ("Advisory", "Implementation", "Managed Service")
TAX_PROFILES = ("Domestic", "EU B2B", "Export")
EXPENSE_TYPES = (
    "Airfare", "Lodging (Room and Tax)", "Car Rental", "Gasoline", "Taxi", "Subway", "Auto Mileage", "Personal Meals",
    "Business Meals", "Phone", "Office Supplies and Services", "Miscellaneous",
)
#: (code, name, unit)
PRODUCTS = (
    ("PS-TM", "Professional services, time and materials", "Hours"),
    ("PS-FIXED", "Professional services, fixed price", "Each"),
    ("PS-MILESTONE", "Professional services, by milestone", "Each"),
)
USERS = (
    ("Integration", "User", "integration@alderwick.example"),
    ("Olivia", "Hartmann", "olivia.hartmann@alderwick.example"),
    ("Marcus", "Bell", "marcus.bell@alderwick.example"),
    ("Sofia", "Lindqvist", "sofia.lindqvist@alderwick.example"),
    ("Daniel", "Okafor", "daniel.okafor@alderwick.example"),
    ("Hannah", "Weiß", "hannah.weiss@alderwick.example"),
    ("Priya", "Raman", "priya.raman@alderwick.example"),
)
FIRST_NAMES = (
    "Amelia", "Benedikt", "Chloé", "Dmitri", "Elena", "Farid", "Grace", "Henrik", "Isabel", "Jonas", "Keiko", "Liam",
    "Mónica", "Noah", "Oksana", "Pieter", "Quentin", "Rosa", "Søren", "Tara", "Ulrich", "Vera", "Wesley", "Ximena",
    "Yusuf", "Zoë",
)
LAST_NAMES = (
    "Abbott", "Brandt", "Castillo", "Dupont", "Eriksen", "Fischer", "Grant", "Hughes", "Ivanov", "Jäger", "Kowalski",
    "Larsen", "Müller", "Novak", "O'Brien", "Petrov", "Quinn", "Rossi", "Schäfer", "Taylor", "Ueda", "Vogel", "Walsh",
    "Xu", "Young", "Zimmermann",
)
CUSTOMER_WORDS = (
    "Amber", "Beacon", "Cobalt", "Delta", "Ember", "Fjord", "Granite", "Harbour", "Iron", "Juniper", "Kestrel",
    "Lantern", "Meridian", "Nimbus", "Orchard", "Pinnacle", "Quarry", "Ridge", "Summit", "Timber", "Umber", "Vantage",
    "Willow", "Zephyr",
)
CUSTOMER_TRADES = ("Logistics", "Foods", "Insurance", "Robotics", "Energy", "Health", "Media", "Rail", "Textiles",
                   "Pharma")
UNDERTAKINGS = (
    "Data Platform", "ERP Rollout", "Customer Portal", "Cloud Migration", "Warehouse Automation", "Pricing Engine",
    "Analytics Foundation", "Field Service App", "Identity Programme", "Order Hub", "Planning Redesign",
)
ACTIVITIES = (
    "Requirements workshop", "Data model review", "Interface design", "Sprint work", "Test preparation",
    "Defect fixing", "Deployment support", "Steering committee", "Training session", "Documentation", "Code review",
    "Stakeholder call",
)
