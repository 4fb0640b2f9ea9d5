"""The example studio that several stand-ins share: what one system calls a deal another one calls a project.

Each stand-in serves its own part of these facts in its vendor's format; nothing here knows a format. The same scale
gives the same facts. Ids are what each vendor would give: numbers at HubSpot and Harvest, keys at Jira and Tempo.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

COMPANY = "Halden Marsh Digital GmbH"
CURRENCY = "EUR"
PERIOD = (date(2026, 4, 1), date(2026, 6, 30))


@dataclass(frozen=True, slots=True)
class Person:
    """:param cost: cost of one hour in EUR; :param owner_id: HubSpot owner, 0 for people who own nothing"""

    email: str
    first_name: str
    last_name: str
    role: str
    cost: int
    account_id: str
    harvest_id: int
    owner_id: int = 0
    contractor: bool = False

    @property
    def name(self):
        return f"{self.first_name} {self.last_name}"


@dataclass(frozen=True, slots=True)
class Customer:
    """:param harvest_name: how Harvest writes the name; :param tempo_key: customer key at Tempo"""

    key: str
    name: str
    domain: str
    vat: str
    street: str
    city: str
    postal_code: str
    country_code: str
    country: str
    hubspot_id: int
    contact_id: int
    contact: tuple
    harvest_id: int
    tempo_id: int
    stripe_id: str
    harvest_name: str = ""

    @property
    def contact_email(self):
        return f"{self.contact[0].lower()}.{self.contact[1].lower()}@{self.domain}"


@dataclass(frozen=True, slots=True)
class Line:
    """A sold line. ``quantity`` is hours for time and materials. ``method``: ``time``, ``fixed`` or ``milestone``."""

    line_id: int
    name: str
    method: str
    quantity: int
    price: int
    role: str = ""

    @property
    def amount(self):
        return Decimal(self.quantity * self.price)


@dataclass(frozen=True, slots=True)
class Deal:
    """:param tracker: system that keeps the time of its project: ``jira`` or ``harvest``"""

    hubspot_id: int
    customer: str
    name: str
    code: str
    tracker: str
    closed_on: date
    lines: tuple
    owner: str
    delivery_owner: str
    term: str = "Net 30"
    template: str = "Studio delivery"
    tax_profile: str = "Domestic"
    purchase_order: str = ""
    needs_signature: bool = False

    @property
    def amount(self):
        return sum((line.amount for line in self.lines), Decimal(0))

    @property
    def number(self):
        """A small number, unique among the deals, from which systems make their own ids."""
        return self.hubspot_id % 1000


@dataclass(frozen=True, slots=True)
class Work:
    """One entry of time. ``number`` is unique; ``approved`` and ``billable`` as the tracker has them."""

    number: int
    code: str
    email: str
    day: date
    hours: Decimal
    note: str
    task: str
    billable: bool = True
    approved: bool = True


@dataclass(frozen=True, slots=True)
class Spending:
    """One expense, kept in Harvest whatever tracks the time. ``amount`` is gross, in EUR."""

    number: int
    code: str
    email: str
    day: date
    amount: Decimal
    category: str
    note: str
    billable: bool = True
    approved: bool = True


PEOPLE = (
    Person("mara.halden@haldenmarsh.example", "Mara", "Halden", "Director", 85, "712020:mh-01", 4101, 501),
    Person("otto.marsh@haldenmarsh.example", "Otto", "Marsh", "Director", 85, "712020:om-02", 4102, 502),
    Person("ines.roth@haldenmarsh.example", "Ines", "Roth", "Designer", 52, "712020:ir-03", 4103),
    Person("kofi.adu@haldenmarsh.example", "Kofi", "Adu", "Developer", 58, "712020:ka-04", 4104, 504),
    Person("lena.vogt@haldenmarsh.example", "Lena", "Vogt", "Developer", 56, "712020:lv-05", 4105, 505),
    Person("pavel.novak@haldenmarsh.example", "Pavel", "Novák", "Strategist", 64, "712020:pn-06", 4106, 506),
    Person("sofia.lind@freelance.example", "Sofia", "Lind", "Designer", 60, "712020:sl-07", 4107, contractor=True),
)
#: has time but no record in the people of any system
GHOST = "712020:gone-99"

CUSTOMERS = (
    Customer("NOVA", "Novaterra Energie GmbH", "novaterra.example", "DE811907980", "Hafenstraße 12", "Hamburg",
             "20457", "DE", "Germany", 8801, 7701, ("Ada", "Brandt"), 6001, 31, "cus_Nova01", "Novaterra Energie"),
    Customer("BIRK", "Birkenfeld Möbel AG", "birkenfeld.example", "DE129273398", "Am Markt 3", "Bremen", "28195", "DE",
             "Germany", 8802, 7702, ("Jonas", "Birk"), 6002, 32, "cus_Birk02", "Birkenfeld Moebel AG"),
    Customer("CALD", "Caldera Foods B.V.", "calderafoods.example", "NL004495445B01", "Keizersgracht 90", "Amsterdam",
             "1015 CR", "NL", "Netherlands", 8803, 7703, ("Femke", "Visser"), 6003, 33, "cus_Cald03",
             "Caldera Foods BV"),
    Customer("DELF", "Delfino Turismo S.r.l.", "delfino.example", "IT00743110157", "Via Roma 8", "Genova", "16121",
             "IT", "Italy", 8804, 7704, ("Paolo", "Rossi"), 6004, 34, "cus_Delf04"),
    Customer("EICH", "Eichenhof Kliniken gGmbH", "eichenhof.example", "DE136695976", "Eichenallee 1", "Hannover",
             "30159", "DE", "Germany", 8805, 7705, ("Ruth", "Keller"), 6005, 35, "cus_Eich05"),
)


def _time(line_id, role, hours, price):
    return Line(line_id, f"{role}, by the hour", "time", hours, price, role)


MARA, OTTO, INES, KOFI, LENA, PAVEL, SOFIA = (person.email for person in PEOPLE)

DEALS = (
    Deal(555001, "NOVA", "Customer portal", "NOVA", "jira", date(2026, 3, 20), (
        _time(9101, "Designer", 200, 105), _time(9102, "Developer", 500, 120)), MARA, KOFI, purchase_order="4500-77"),
    Deal(555002, "BIRK", "Shop relaunch", "BIRK", "harvest", date(2026, 3, 24), (
        _time(9103, "Designer", 160, 100), _time(9104, "Developer", 320, 118)), MARA, LENA),
    Deal(555003, "CALD", "Brand strategy", "CALD", "harvest", date(2026, 3, 27), (
        _time(9105, "Strategist", 180, 140), Line(9106, "Brand book", "fixed", 1, 9500)), OTTO, PAVEL,
        tax_profile="EU B2B", term="Net 15"),
    Deal(555004, "DELF", "Booking app", "DELF", "jira", date(2026, 3, 30), (
        _time(9107, "Developer", 400, 115), _time(9108, "Designer", 90, 98)), OTTO, KOFI, tax_profile="EU B2B"),
    Deal(555005, "EICH", "Patient information", "EICH", "jira", date(2026, 4, 2), (
        _time(9109, "Developer", 240, 122), _time(9110, "Designer", 80, 104)), MARA, LENA, needs_signature=True),
)
#: a deal that is open, one that is lost: neither becomes a contract
OPEN_DEALS = ((555006, "NOVA", "Portal, second phase", "proposal"), (555007, "BIRK", "Photo studio", "lost"))

_TEAM = {"NOVA": (INES, KOFI, LENA), "BIRK": (SOFIA, LENA), "CALD": (PAVEL,), "DELF": (KOFI, SOFIA),
         "EICH": (LENA, INES)}
_HOURS = ("7.50", "6.25", "8.00", "4.75", "7.00")
_NOTES = ("Interface drafts", "Review with the customer", "Implementation", "Tests", "Workshop", "Content model")
_TASKS = ("Concept", "Build", "Launch")
_CATEGORIES = ("Transportation", "Lodging", "Meals")
#: weeks of work by scale
WEEKS = {"tiny": 2, "small": 5, "full": 13}


def customer(key):
    return next(item for item in CUSTOMERS if item.key == key)


def person(email):
    return next(item for item in PEOPLE if item.email == email)


def deal(code):
    return next(item for item in DEALS if item.code == code)


def work(scale="tiny", tracker=""):
    """Return all :class:`Work` of a scale, those of one tracker when it is named.

    Every ninth entry is not billable; the last week of each person's entries is not approved yet.
    """
    rows, number = [], 0
    weeks = WEEKS[scale]
    for item in DEALS:
        for place, email in enumerate(_TEAM[item.code]):
            for week in range(weeks):
                for step in range(2 + (place + week) % 2):
                    number += 1
                    day = PERIOD[0] + timedelta(days=7 * week + (step * 2 + place) % 5)
                    rows.append(Work(
                        number, item.code, email, day, Decimal(_HOURS[number % 5]), _NOTES[number % 6],
                        _TASKS[number % 3], billable=number % 9 != 0, approved=week < weeks - 1))
    return [row for row in rows if not tracker or deal(row.code).tracker == tracker]


def spendings(scale="tiny"):
    """Return all :class:`Spending` of a scale: one for each deal and week; the last week is not approved yet."""
    weeks = WEEKS[scale]
    return [
        Spending(
            900 + 10 * position + week if weeks < 10 else 9000 + 100 * position + week, item.code,
            _TEAM[item.code][0], PERIOD[0] + timedelta(days=7 * week + 1),
            Decimal(18 + 7 * ((position * 5 + week * 3) % 11)) + Decimal("0.40"), _CATEGORIES[(position + week) % 3],
            "Visit at the customer", billable=(position + week) % 4 != 0, approved=week < weeks - 1)
        for position, item in enumerate(DEALS) for week in range(weeks)
    ]


def expected(scale="tiny"):
    """Return what a quarter's billing must come to: ``{code: {"hours", "time", "fees", "expenses", "unapproved"}}``.

    Amounts are net, in EUR; expenses are billed at what was spent. ``unapproved`` is the worth of billable hours that
    wait for their approval.
    """
    result = {}
    for item in DEALS:
        prices = {line.role: line.price for line in item.lines if line.method == "time"}
        rows = [row for row in work(scale) if row.code == item.code and row.billable]
        worth = {True: Decimal(0), False: Decimal(0)}
        for row in rows:
            worth[row.approved] += row.hours * prices[person(row.email).role]
        result[item.code] = {
            "hours": sum((row.hours for row in rows if row.approved), Decimal(0)),
            "time": worth[True], "unapproved": worth[False],
            "fees": sum((line.amount for line in item.lines if line.method == "fixed"), Decimal(0)),
            "expenses": sum((row.amount for row in spendings(scale) if row.code == item.code and row.billable
                             and row.approved), Decimal(0)),
        }
    return result
