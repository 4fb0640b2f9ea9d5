"""What the account holds: one table for each kind of object, newest first, under one lock."""

import threading
from bisect import bisect_left, bisect_right, insort

#: object name -> (plural path, id prefix)
KINDS = {
    "charge": ("charges", "ch"), "payment_intent": ("payment_intents", "pi"), "refund": ("refunds", "re"),
    "dispute": ("disputes", "dp"), "balance_transaction": ("balance_transactions", "txn"),
    "payout": ("payouts", "po"), "customer": ("customers", "cus"), "invoice": ("invoices", "in"),
    "invoice_payment": ("invoice_payments", "inpay"), "product": ("products", "prod"), "price": ("prices", "price"),
    "payment_link": ("payment_links", "plink"), "checkout.session": ("checkout/sessions", "cs_test"),
    "webhook_endpoint": ("webhook_endpoints", "we"), "event": ("events", "evt"),
}

#: objects that do not say whether they are live
_NO_MODE = frozenset(("balance_transaction", "refund"))


class Table:
    """Rows of one kind. A row is a dict, or a number from which ``plain`` makes the dict when it is asked for.

    Fields whose names begin with ``_`` are the stand-in's own and never leave it.
    """

    def __init__(self, plain=None):
        self.rows, self._keys, self._order, self._plain = {}, {}, [], plain

    def __len__(self):
        return len(self.rows)

    def __contains__(self, id_):
        return id_ in self.rows

    def add(self, id_, row, created):
        self.rows[id_] = row
        self._keys[id_] = key = (created, len(self._keys), id_)
        insort(self._order, key)

    def remove(self, id_):
        del self.rows[id_]
        self._order.remove(self._keys.pop(id_))

    def get(self, id_):
        """Return the row or None."""
        row = self.rows.get(id_)
        return self._plain(row) if isinstance(row, int) else row

    def all(self):
        """Yield the rows that are not plain, oldest first."""
        return [row for row in (self.rows[id_] for _created, _place, id_ in self._order) if isinstance(row, dict)]

    def page(self, limit, accepts, after=None, before=None, newest=None, oldest=None):
        """Return ``(rows newest first, whether there are more)``.

        :param after: id whose older neighbours are wanted; :param before: id whose newer neighbours are wanted
        :param newest, oldest: bounds of ``created``, inclusive
        """
        low = bisect_left(self._order, (oldest,)) if oldest is not None else 0
        high = bisect_right(self._order, (newest + 1,)) if newest is not None else len(self._order)
        if after:
            high = min(high, bisect_left(self._order, self._keys[after]))
        if before:
            low = max(low, bisect_right(self._order, self._keys[before]))
        found = []
        for place in range(low, high) if before else range(high - 1, low - 1, -1):
            row = self.get(self._order[place][2])
            if accepts(row):
                found.append(row)
                if len(found) > limit:
                    break
        rows = found[:limit]
        return (rows[::-1] if before else rows), len(found) > limit


class Store:
    """All tables; ``lock`` is held by whoever reads or writes."""

    def __init__(self, clock, plain_rows):
        self.clock, self.lock = clock, threading.RLock()
        self.tables = {name: Table(plain_rows.get(name)) for name in KINDS}
        self._made = 0

    def __getitem__(self, name):
        return self.tables[name]

    def second(self, moment=None):
        """Return unix seconds of an aware datetime, by default of now."""
        return int((moment or self.clock.now()).timestamp())

    def add(self, name, created, id_="", /, **fields):
        """Make an object of a kind and return its row."""
        self._made += 1
        row = {"id": id_ or f"{KINDS[name][1]}_Demo{self._made:06d}", "object": name, "created": created,
               **({} if name in _NO_MODE else {"livemode": False}), **fields}
        self.tables[name].add(row["id"], row, created)
        return row
