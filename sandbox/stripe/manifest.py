"""What a first load of the account must bring, to the last record and cent."""

from decimal import Decimal

from .views import shown


def _money(cents):
    return str(Decimal(cents).scaleb(-2))


class Manifest:
    """:param seeds: ``{"charges", "refunds", "disputes", "payouts"}``: ids of what was made; empty without payments"""

    def __init__(self, store, seeds, plain_charges):
        self._store, now = store, store.second()
        transactions = store["balance_transaction"]
        charges = []
        for id_ in seeds.get("charges", ()):
            row = store["charge"].get(id_)
            booked = transactions.get(row["balance_transaction"] or "")
            charges.append({
                "id": id_, "amount": _money(row["amount"]), "status": row["status"], "customer": row["customer"],
                "fee": _money(booked["fee"]) if booked else None,
                "pending": bool(booked) and shown(booked, now)["status"] == "pending",
                "reference": row["metadata"].get("odoo_invoice", "")})
        self.value = {
            "vendor": "stripe", "currency": "EUR", "plain_charges": plain_charges,
            "customers": [row["id"] for row in store["customer"].all()], "charges": charges,
            "refunds": [self._part("refund", id_) for id_ in seeds.get("refunds", ())],
            "disputes": [self._part("dispute", id_) for id_ in seeds.get("disputes", ())],
            "payouts": [self._payout(id_) for id_ in seeds.get("payouts", ())],
            "invoices": [{"id": row["id"], "number": row["number"]} for row in store["invoice"].all()],
            # invoice numbers that the payments name and that exist in no books
            "matches_nothing": [charge["reference"] for charge in charges if charge["reference"]]
            + [row["number"] for row in store["invoice"].all()],
        }

    def _part(self, kind, id_):
        row = self._store[kind].get(id_)
        return {"id": id_, "amount": _money(row["amount"]), "status": row["status"], "charge": row["charge"]}

    def _payout(self, id_):
        rows = [row for row in self._store["balance_transaction"].all()
                if row["_payout"] == id_ and row["type"] != "payout"]
        return {"id": id_, "amount": _money(self._store["payout"].get(id_)["amount"]),
                "gross": _money(sum(row["amount"] for row in rows)), "fees": _money(sum(row["fee"] for row in rows)),
                "sources": [row["source"] for row in rows]}
