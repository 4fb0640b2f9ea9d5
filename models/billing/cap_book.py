"""The caps of some contracts while a batch of work is decided: who has what, and what still fits.

Plain Python: amounts and hours are :class:`~decimal.Decimal`. Limits that are not set are None.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

from .pricing import QUANTITY_STEP, quantity_of, round_amount

ZERO = Decimal(0)
NOTHING = (ZERO, ZERO)


@dataclass
class Cap:
    """One cap: its limits, what the database has reserved, and what is taken while this batch is decided.

    :param weight_on: function of a work date: the part of that day's work that counts, for the cap of one customer's
        share (1: all of it)
    :param reserved: ``[amount, hours]`` as the database has it
    :param used: ``[amount, hours]`` that this batch cannot have
    """

    id: int
    order_id: int
    kind: str
    hard: bool
    closed: bool
    limits: tuple
    reserved: list
    scope: dict
    weight_on: Callable = lambda _day: Decimal(1)
    used: list = field(default_factory=list)

    def __post_init__(self):
        self.used = list(self.reserved)

    def share_of(self, amount, quantity, currency, day):
        """Return ``(amount, hours)`` that work of ``day`` uses of this cap."""
        weight = self.weight_on(day)
        if weight == 1:
            return amount, quantity
        return round_amount(amount * weight, currency), quantity_of(quantity * weight)

    def fit(self, amount, quantity, hours, currency, day):
        """Return ``(amount, quantity)`` of work that the cap lets through; corrections always go through.

        :param amount, quantity: Decimals: what would be billed
        :param hours: Decimal: how much of the quantity counts as hours (0 for what is not time)
        """
        if not self.hard or amount <= 0:
            return amount, quantity
        (amount_limit, hours_limit), weight = self.limits, self.weight_on(day)
        if amount_limit is not None:
            room = _down(max(amount_limit - self.used[0], ZERO) / weight, Decimal(str(currency.rounding)))
            if room < amount:
                amount, quantity = room, _share(quantity, room, amount)
                hours = quantity if hours else ZERO
        if hours_limit is not None and hours > 0:
            room = _down(max(hours_limit - self.used[1], ZERO) / weight, QUANTITY_STEP)
            if room < hours:
                amount, quantity = min(amount, round_amount(amount * room / hours, currency)), room
        return (amount, quantity) if amount else NOTHING

    def take(self, use):
        self.used = [self.used[0] + use[0], self.used[1] + use[1]]

    def give_back(self, use):
        self.used = [self.used[0] - use[0], self.used[1] - use[1]]

    def is_passed(self):
        """Tell whether more is taken than the limits say."""
        return any(limit is not None and used > limit for limit, used in zip(self.limits, self.used, strict=True))


class CapBook:
    """All caps that a batch of work touches, with what its entries hold of them already.

    :param caps: :class:`Cap` list, locked
    :param uses: ``{(cap id, entry id): (amount, hours)}`` of the entries of the batch, and of entries that are no
        longer billable and still hold something (see :meth:`settle`)
    :param leftovers: entry ids of the latter
    """

    def __init__(self, caps, uses, leftovers=()):
        self.caps = {cap.id: cap for cap in caps}
        self.uses = dict(uses)
        self.leftovers = set(leftovers)
        self.freed, self.overdrawn = set(), {}

    def give_back(self, entry_ids):
        """Free what these entries hold: the batch decides about them anew."""
        for (cap_id, entry_id), use in self.uses.items():
            if entry_id in entry_ids or entry_id in self.leftovers:
                self.caps[cap_id].give_back(use)

    def own(self, cap_id, entry_id):
        """Return ``(amount, hours)`` that an entry holds of a cap."""
        return self.uses.get((cap_id, entry_id), NOTHING)

    def settle(self, wanted):
        """Return ``{(cap id, entry id): (amount, hours)}``: the uses that change, with what they become.

        A correction made room that other work has been billed in since; when the correction is taken back, that room
        cannot be given back any more. It then keeps as much of its (negative) use as the limit needs, and
        ``overdrawn`` says how much that is.

        :param wanted: ``{entry id: {cap id: (amount, hours)}}``, what entries are to hold from now on
        """
        changes = {}
        for (cap_id, entry_id) in self.uses:
            if entry_id in wanted or entry_id in self.leftovers:
                changes[cap_id, entry_id] = NOTHING
        for entry_id, by_cap in wanted.items():
            changes.update({(cap_id, entry_id): use for cap_id, use in by_cap.items()})
        changes = {key: use for key, use in changes.items() if use != self.uses.get(key, NOTHING)}
        for cap_id in {cap_id for cap_id, _entry_id in changes}:
            self._settle_cap(self.caps[cap_id], changes)
        changes = {key: use for key, use in changes.items() if use != self.uses.get(key, NOTHING)}
        for key, use in changes.items():
            self.uses[key] = use
        return changes

    def _settle_cap(self, cap, changes):
        mine = {key: use for key, use in changes.items() if key[0] == cap.id}
        self.overdrawn.pop(cap.id, None)
        before = list(cap.reserved)
        for index in (0, 1):
            total = cap.reserved[index] + sum(
                (use[index] - self.own(*key)[index] for key, use in mine.items()), ZERO)
            limit = cap.limits[index]
            excess = total - limit if cap.hard and limit is not None else ZERO
            for key, use in mine.items():
                lost = min(excess, use[index] - self.own(*key)[index])
                if lost > 0 and self.own(*key)[index] < 0:
                    kept = list(changes[key])
                    kept[index] -= lost
                    changes[key] = tuple(kept)
                    excess -= lost
                    total -= lost
                    self.overdrawn.setdefault(cap.id, [ZERO, ZERO])[index] += lost
            cap.reserved[index] = total
        if cap.reserved[0] < before[0] or cap.reserved[1] < before[1]:
            self.freed.add(cap.id)


# === PLAIN HELPERS === #
def _down(exact, step):
    return (exact / step).quantize(Decimal(1), ROUND_DOWN) * step


def _share(quantity, part, whole):
    return (quantity * part / whole).quantize(QUANTITY_STEP, ROUND_HALF_UP)
