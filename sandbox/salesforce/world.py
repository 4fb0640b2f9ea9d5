"""What the seed modules build on: the store, one random generator per purpose, and who and what was made so far."""

import random
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

from .firm import ENTITIES
from .scales import SCALES
from .store import Store, instant


@dataclass(slots=True)
class Person:
    """A resource: ``entity`` is the place of the employer in :data:`firm.ENTITIES`; cost is of one hour."""

    id: str
    entity: int
    name: str
    role: str
    cost: int


@dataclass(slots=True)
class Customer:
    id: str
    entity: int
    name: str
    country_code: str
    contact_id: str


@dataclass(slots=True)
class Seat:
    """A person's assignment to a project: ``rate`` (Decimal) is what an hour is billed at, None for nothing."""

    person: Person
    project_id: str
    assignment_id: str | None
    rate: Decimal | None
    billable: bool


@dataclass(slots=True)
class Contract:
    """A won deal with its projects and who works on them."""

    opportunity_id: str
    entity: int
    method: str
    currency: str
    customer: Customer
    name: str
    role_rates: dict = field(default_factory=dict)
    line_ids: list = field(default_factory=list)
    project_ids: list = field(default_factory=list)
    seats: list = field(default_factory=list)
    #: people that the team must leave out, because a defect needs them
    reserved: set = field(default_factory=set)


class World:
    """The organisation while it is being made.

    :param scale: key of :data:`scales.SCALES`
    :ivar tags: {kind: [split id, ...]} what the generator meant; the second act and the tests use it,
        the manifest never does
    """

    def __init__(self, scale, seed, clock):
        self.scale = SCALES[scale]
        self.seed = seed
        self.store = Store(clock)
        self.people, self.customers, self.contracts, self.seats = [], [], [], []
        self.hidden_people, self.incomplete = [], []
        self.user_ids, self.own_account_ids, self.region_ids, self.practice_ids, self.group_ids = [], [], [], [], []
        self.internal_project_ids, self.closed_projects, self.duplicates = [], [], []
        self.missing_rate_seats, self.unmapped_seats = [], []
        self.pricebook_id = None
        self.entries = {}
        self.tags = {}

    def rng(self, purpose):
        """Return a random generator that no other purpose disturbs."""
        return random.Random(f"{self.seed}/{purpose}")

    def add(self, name, stamp, created=None, **values):
        """Seed a row and return its id; owner and author are filled in."""
        author = self.user_ids[1] if len(self.user_ids) > 1 else None
        return self.store.seed(name, stamp, created, CreatedById=author, LastModifiedById=author, **values)

    def row(self, name, id_):
        return self.store.tables[name.lower()].rows[id_]

    def people_of(self, entity):
        return [person for person in self.people if person.entity == entity]

    def contracts_of(self, method, entity=None):
        return [contract for contract in self.contracts
                if contract.method == method and entity in (None, contract.entity)]


def stamp_on(day, rng, first_hour=7, hours=10):
    """Return a random instant of ``day`` in office hours, as text."""
    seconds = rng.randrange(hours * 3600)
    return instant(datetime.combine(day, time(first_hour)) + timedelta(seconds=seconds))


def entity_of(index):
    return ENTITIES[index]


def cents(value):
    """Return a Decimal amount rounded half up to the cent."""
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)
