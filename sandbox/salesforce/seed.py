"""Seeds the organisation: the same scale and seed give the same bytes."""

from datetime import datetime, timedelta, timezone

from .seed_contracts import seed_contracts
from .seed_expenses import seed_expenses
from .seed_master import seed_customers, seed_organisation, seed_people
from .seed_special_time import seed_time
from .world import World


def seed(scale, seed, clock):
    """Return the :class:`World` of ``scale`` (full, small, tiny)."""
    world = World(scale, seed, clock)
    seed_organisation(world)
    seed_people(world)
    seed_customers(world)
    seed_contracts(world)
    seed_time(world)
    seed_expenses(world)
    return world


def seed_plain_accounts(world, count):
    """Add ``count`` plain accounts with stamps a second apart, some in bunches, for load."""
    start = datetime(2025, 10, 1, tzinfo=timezone.utc)
    add = world.store.seed
    owner = world.user_ids[1]
    for number in range(count):
        stamp = (start + timedelta(seconds=number // 3 * 40)).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
        add("Account", stamp, Name=f"Account {number:06d}", Type="Customer", OwnerId=owner, CurrencyIsoCode="USD",
            AccountNumber=f"L-{number:06d}", BillingStreet=f"{number % 997} Long Road", BillingCity="Springfield",
            BillingPostalCode=f"{number % 100_000:05d}", BillingCountry="United States", BillingCountryCode="US",
            Phone=f"+1 555 {number % 10_000:04d}", Website=f"https://www.account-{number:06d}.example")
