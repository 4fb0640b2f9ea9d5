"""Seeds timecards: week headers with their splits, ordinary ones first, then those that a defect or a rule needs."""

from datetime import date, timedelta
from decimal import Decimal

from .firm import ACTIVITIES, ENTITIES, QUARTER_END, QUARTER_START
from .objects_shared import DAYS
from .seed_contracts import TIME_MATERIAL
from .world import cents, stamp_on

TIE = "2026-06-20T02:15:07.000+0000"
#: from this day on approval lags behind
_RECENT = date(2026, 6, 13)
_MAX_QUARTERS_A_DAY = 44


def quarters(count):
    """Return ``count`` quarter hours as Decimal hours."""
    return Decimal(count) / 4


class TimeSeeder:
    """Writes timecards into the world.

    :ivar load: {(person id, day): quarter hours so far}, so that nobody works around the clock
    """

    def __init__(self, world):
        self.world = world
        self.rng = world.rng("time")
        self.load = {}
        self.headers = 0
        self.splits = 0

    # === ONE TIMECARD === #

    def add(self, seat_person, project, days, *, rate, currency, status="Approved", billable=True, assignment=None,
            stamp=None, created=None, cost=0, **split_values):
        """Add a header and its splits (one more where the week crosses a month's end) and return the split ids.

        :param seat_person: contact id; :param days: {date: Decimal hours} within one week from Monday
        :param rate: Decimal price of an hour, or None; :param stamp: SystemModstamp, else when it was approved
        :param created: CreatedDate, else the evening of the last day
        """
        first = min(days)
        monday = first - timedelta(days=first.weekday())
        stamp = stamp or self._stamp(max(days), status)
        created = created or min(stamp, stamp_on(max(days), self.rng, 16, 3))
        approved = status == "Approved" or None
        note = self.rng.choice(ACTIVITIES)
        common = {
            "pse__Project__c": project, "pse__Resource__c": seat_person, "pse__Assignment__c": assignment,
            "pse__Status__c": status, "pse__Submitted__c": status in ("Submitted", "Approved") or None,
            "pse__Approved__c": approved, "pse__Include_In_Financials__c": approved,
            "pse__Billable__c": billable or None, "CurrencyIsoCode": currency, "pse__Timecard_Notes__c": note,
        }
        self.headers += 1
        number = f"{max(days):%m-%d-%Y}-{self.headers:06d}"
        header_flags = {name: split_values[name] for name in ("pse__Billed__c", "pse__Invoiced__c",
                        "pse__Exclude_from_Billing__c") if name in split_values}
        header = self.world.add(
            "pse__Timecard_Header__c", stamp, created, Name=f"TCH-{number}", pse__Start_Date__c=monday.isoformat(),
            pse__End_Date__c=(monday + timedelta(days=6)).isoformat(), OwnerId=self.world.user_ids[1],
            pse__Bill_Rate__c=float(rate) if rate is not None else None,
            pse__Approver__c=self.world.user_ids[2 + self.headers % 4] if approved else None,
            **common, **header_flags, **_day_values(days, note), **_totals(days, rate, billable))
        split_ids = []
        for start, end in _cut(monday):
            part = {day: hours for day, hours in days.items() if start <= day <= end}
            if not part:
                continue
            self.splits += 1
            split_ids.append(self.world.add(
                "pse__Timecard__c", stamp, created, Name=f"TC-{end:%m-%d-%Y}-{self.splits:06d}",
                pse__Timecard_Header__c=header, pse__Start_Date__c=start.isoformat(),
                pse__End_Date__c=end.isoformat(), pse__Total_Days_Worked__c=float(len(part)),
                pse__Total_Cost__c=float(cents(sum(part.values()) * cost)),
                **common, **split_values, **_day_values(part, note), **_totals(part, rate, billable)))
        return split_ids

    def _stamp(self, last_day, status):
        """Return when the timecard got its last change: the Monday after the week, or when it was filled in."""
        if status == "Approved":
            monday = last_day + timedelta(days=7 - last_day.weekday())
            return stamp_on(min(monday, date(2026, 7, 1) + timedelta(days=self.rng.randrange(2))), self.rng)
        return stamp_on(min(last_day, date(2026, 7, 2)), self.rng, 19, 2)

    # === ORDINARY TIME === #

    def ordinary(self, count):
        """Add timecards of the teams until ``count`` splits are there; return their ids."""
        made = []
        people = [person for person in self.world.people if self._seats_of(person)]
        shares = {person.id: self._seats_of(person) for person in people}
        weeks = _weeks()
        turn = 0
        while len(made) < count:
            person = people[turn % len(people)]
            week = weeks[turn // len(people) % len(weeks)]
            turn += 1
            seat = self.rng.choice(shares[person.id])
            days = self._pick_days(person, week, single=count - len(made) < 2)
            made += self._seat_card(seat, days, self._status(max(days)), self.rng.random() < 0.97)
        return made

    def _seats_of(self, person):
        return [seat for seat in self.world.seats if seat.person is person]

    def _seat_card(self, seat, days, status, billable=True, **values):
        billable = billable and seat.billable
        return self.add(
            seat.person.id, seat.project_id, days, rate=seat.rate if billable else None,
            currency=ENTITIES[seat.person.entity].currency, status=status, billable=billable,
            assignment=seat.assignment_id, cost=seat.person.cost, **values)

    def _pick_days(self, person, week, single):
        draw = self.rng.random()
        length = 1 if single or draw < 0.86 else 2 if draw < 0.95 else 3 if draw < 0.98 else 4 if draw < 0.99 else 5
        length = min(length, len(week))
        start = self.rng.randrange(len(week) - length + 1)
        days = {}
        for day in week[start:start + length]:
            wanted = self.rng.choice((1, 2, 2, 3, 3, 4, 4, 4, 5, 6, 7, 8))
            room = _MAX_QUARTERS_A_DAY - self.load.get((person.id, day), 0)
            amount = max(1, min(wanted, room))
            self.load[person.id, day] = self.load.get((person.id, day), 0) + amount
            days[day] = quarters(amount)
        return days

    def _status(self, last_day):
        draw = self.rng.random()
        if last_day < _RECENT:
            limits = (0.975, 0.985, 0.995)
        else:
            limits = (0.88, 0.89, 0.97)
        reached = sum(draw >= limit for limit in limits)
        return ("Approved", "Rejected", "Submitted", "Saved")[reached]

    # === CHOSEN TIME === #

    def one_day(self, number, first=date(2026, 4, 14), last=date(2026, 6, 19)):
        """Return a working day between two days, spread by ``number``."""
        span = (last - first).days + 1
        day = first + timedelta(days=(number * 11 + self.rng.randrange(5)) % span)
        return day - timedelta(days=max(0, day.weekday() - 4)) if day.weekday() > 4 else day

    def team_time(self, count, make_days, start=0, **values):
        """Add ``count`` approved billable one-split timecards of teams on time-and-materials contracts."""
        sellers = [contract for contract in self.world.contracts_of(TIME_MATERIAL) if contract.seats]
        made = []
        for number in range(count):
            contract = sellers[(start + number) % len(sellers)]
            seat = contract.seats[number % len(contract.seats)]
            made += self._seat_card(seat, make_days(number), "Approved", **values)
        return made


def _weeks():
    """Return the working days of each week of the quarter."""
    days = [QUARTER_START + timedelta(days=offset) for offset in range((QUARTER_END - QUARTER_START).days + 1)]
    weeks = {}
    for day in days:
        if day.weekday() < 5:
            weeks.setdefault(day - timedelta(days=day.weekday()), []).append(day)
    return list(weeks.values())


def _cut(monday):
    """Return the (start, end) periods of the week's splits: it is cut where a month ends inside it."""
    sunday = monday + timedelta(days=6)
    month_start = sunday.replace(day=1)
    if month_start > monday:
        return (monday, month_start - timedelta(days=1)), (month_start, sunday)
    return ((monday, sunday),)


def _day_values(days, note):
    values = {}
    for day, hours in days.items():
        name = DAYS[(day.weekday() + 1) % 7]
        values[f"pse__{name}_Hours__c"] = float(hours)
        values[f"pse__{name}_Notes__c"] = note
    return values


def _totals(days, rate, billable):
    hours = sum(days.values())
    amount = cents(hours * rate) if billable and rate is not None else Decimal(0)
    return {"pse__Total_Hours__c": float(hours), "pse__Total_Billable_Amount__c": float(amount)}


def tie(world, split_ids):
    """Give these splits one and the same SystemModstamp second, as a nightly batch job does."""
    for split_id in split_ids:
        world.store.touch("pse__Timecard__c", split_id, TIE)
