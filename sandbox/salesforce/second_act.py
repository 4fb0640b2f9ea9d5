"""What happens at the source after the first invoices are posted.

Hours of billed splits are changed, billed splits are deleted, approved time is rejected (some of it billed, some not),
and duplicate accounts are merged. Everything is chosen when the data are seeded, so that the manifest can say
beforehand which exceptions must come up and how much money they are about.
"""

from datetime import date
from decimal import Decimal

from .firm import QUARTER_END, QUARTER_START
from .manifest import Books, Sums, hours_text, number, rate_text, text, to_cents
from .objects_shared import DAYS

SPLIT, HEADER = "pse__Timecard__c", "pse__Timecard_Header__c"
#: hours added to the day that is edited, in turn
_EDITS = (Decimal("0.50"), Decimal("-0.25"), Decimal("1.00"), Decimal("0.25"))
#: how long after the act the clock stands, so that a reader which stops a minute before "now" sees all of it
_PAUSE_SECONDS = 300


class SecondAct:
    """Chosen at once, played on demand.

    :param world: :class:`World` as seeded
    :ivar played: whether it was played
    """

    def __init__(self, world):
        self.store, self.scale, self.played = world.store, world.scale, False
        self._books = Books(world.store)
        self._admin = world.user_ids[2]
        self._merges = list(world.duplicates)
        rng = world.rng("second act")
        billed = self._single_days(world.tags["ordinary"], "billable")
        picks = rng.sample(billed, self.scale.late_edit + self.scale.deleted + self.scale.rejected_billed)
        self._late = picks[:self.scale.late_edit]
        self._deleted = picks[self.scale.late_edit:self.scale.late_edit + self.scale.deleted]
        self._rejected_billed = picks[self.scale.late_edit + self.scale.deleted:]
        held = self._single_days(world.tags["held_at_source"], "held_at_source")
        later = self._single_days(world.tags["july"], "billable", in_quarter=False)
        count = self.scale.rejected_unbilled
        self._rejected_unbilled = later[:count - count // 2] + held[:count // 2]

    def _single_days(self, split_ids, charge, in_quarter=True):
        """Return ids, in order, of splits with this charge that are one day and alone under their header."""
        found, splits = [], self.store.tables[SPLIT.lower()]
        siblings = splits.by_field("pse__Timecard_Header__c")
        for id_ in sorted(split_ids):
            split = splits.rows[id_]
            worked = self._books.days(split)
            if (len(worked) == 1 and worked[0][1] >= Decimal("0.50")
                    and (QUARTER_START <= worked[0][0] <= QUARTER_END) == in_quarter
                    and len(siblings[split["pse__Timecard_Header__c"]]) == 1
                    and self._books.treatment(split) == "applied" and self._books.charge(split) == charge):
                found.append(id_)
        return found

    # === WHAT MUST FOLLOW === #

    def expected(self):
        """Return what the act changes and the exceptions that must follow, as the manifest's ``second_act``."""
        edits = [self._edit(place, id_) for place, id_ in enumerate(self._late)]
        signed, absolute = Sums(), Sums()
        for edit in edits:
            signed.add(edit["currency"], Decimal(edit["difference"]))
            absolute.add(edit["currency"], abs(Decimal(edit["difference"])))
        return {
            "late_edit": {"cause": "changed_after_billing", "exceptions": len(edits), "records": len(edits),
                          "items": edits, "difference": signed.as_dict(), "absolute": absolute.as_dict()},
            "delete_after_billing": self._group("deleted_after_billing", self._deleted),
            "rejected_after_approval_billed": self._group("rejected_after_billing", self._rejected_billed),
            "rejected_after_approval_unbilled": self._group(None, self._rejected_unbilled),
            "merge": {"exceptions_resolved": len(self._merges),
                      "items": [{"loser": loser, "winner": winner} for loser, winner in self._merges]},
        }

    def _describe(self, id_):
        split = self.store.tables[SPLIT.lower()].rows[id_]
        project = self._books.rows["pse__Proj__c"][split["pse__Project__c"]]
        (day, hours), = self._books.days(split)
        rate = self._books.rate(split)
        return {"split": id_, "name": split["Name"], "contract": project["pse__Opportunity__c"],
                "day": day.isoformat(), "hours": hours_text(hours), "rate": rate_text(rate),
                "amount": text(to_cents(hours * rate)), "currency": split["CurrencyIsoCode"]}

    def _edit(self, place, id_):
        item = self._describe(id_)
        hours = Decimal(item["hours"]) + _EDITS[place % len(_EDITS)]
        amount = to_cents(hours * Decimal(item["rate"]))
        return {**item, "hours_after": hours_text(hours), "amount_after": text(amount),
                "difference": text(amount - Decimal(item["amount"]))}

    def _group(self, cause, ids):
        items, sums = [self._describe(id_) for id_ in ids], Sums()
        for item in items:
            sums.add(item["currency"], Decimal(item["amount"]))
        return {"cause": cause, "exceptions": len(items) if cause else 0, "records": len(items), "items": items,
                "amounts": sums.as_dict()}

    # === PLAY === #

    def play(self):
        """Make the changes at the source's present moment; a second call changes nothing.

        :return: ``{"played": bool, counts ...}``
        """
        if self.played:
            return {"played": False}
        self.played = True
        edits = [self._edit(place, id_) for place, id_ in enumerate(self._late)]
        with self.store.writing():
            for edit in edits:
                self._change_hours(edit["split"], date.fromisoformat(edit["day"]), Decimal(edit["hours_after"]))
            for id_ in self._deleted:
                self._delete(id_)
            for id_ in self._rejected_billed + self._rejected_unbilled:
                self._reject(id_)
            accounts = self.store.tables["account"]
            for loser, winner in self._merges:
                self.store.delete(accounts, loser, master=winner, by=self._admin)
        self.store.clock.forward(_PAUSE_SECONDS)
        return {"played": True, "late_edit": len(edits), "deleted": len(self._deleted),
                "rejected_billed": len(self._rejected_billed), "rejected_unbilled": len(self._rejected_unbilled),
                "merged": len(self._merges)}

    def _tables(self, id_):
        splits, headers = self.store.tables[SPLIT.lower()], self.store.tables[HEADER.lower()]
        return splits, headers, splits.rows[id_]

    def _change_hours(self, id_, day, hours):
        """Correct one day's hours on split and header, as an administrator may with an audit note."""
        splits, headers, split = self._tables(id_)
        header = headers.rows[split["pse__Timecard_Header__c"]]
        amount = to_cents(hours * number(header["pse__Bill_Rate__c"]))
        values = {f"pse__{DAYS[(day.weekday() + 1) % 7]}_Hours__c": float(hours), "pse__Total_Hours__c": float(hours),
                  "pse__Total_Billable_Amount__c": float(amount), "pse__Admin_Global_Edit__c": True,
                  "pse__Audit_Notes__c": "Hours corrected after review"}
        self.store.update(headers, header["Id"], values, self._admin)
        self.store.update(splits, id_, values, self._admin)

    def _delete(self, id_):
        splits, headers, split = self._tables(id_)
        self.store.delete(headers, split["pse__Timecard_Header__c"], by=self._admin)
        self.store.delete(splits, id_, by=self._admin)

    def _reject(self, id_):
        splits, headers, split = self._tables(id_)
        values = {"pse__Status__c": "Rejected", "pse__Submitted__c": False, "pse__Approved__c": False,
                  "pse__Include_In_Financials__c": False}
        self.store.update(headers, split["pse__Timecard_Header__c"], values, self._admin)
        self.store.update(splits, id_, values, self._admin)
