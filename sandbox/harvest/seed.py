"""What the account holds when it is opened: the studio's customers, people, projects, time and expenses."""

from datetime import datetime, timedelta, timezone

from .. import studio
from . import rows
from .store import stamp

ENTRY, DUPLICATE, RUNNING, EXPENSE = 990_000, 995_000, 999_001, 70_000
_OPENED = datetime(2026, 1, 5, 9, 0, tzinfo=timezone.utc)


def seed(store, clock, scale):
    """Fill the store and return the :class:`studio.Work` whose hours Jira has too."""
    _people(store)
    _customers(store)
    work, spendings = studio.work(scale, "harvest"), studio.spendings(scale)
    duplicate = next(item for item in studio.work(scale, "jira") if item.billable and item.approved)
    _projects(store, sorted({(item.code, item.email) for item in (*studio.work(scale), *spendings)}))
    for item in work:
        store["time_entries"].add(rows.time_entry(
            ENTRY + item.number, item.code, item.email, item.day, item.hours, item.note, item.task, item.billable,
            _status(item)))
    store["time_entries"].add(rows.time_entry(
        DUPLICATE + duplicate.number, duplicate.code, duplicate.email, duplicate.day, duplicate.hours,
        duplicate.note, duplicate.task))
    begun = clock.now() - timedelta(minutes=15)
    store["time_entries"].add(rows.time_entry(
        RUNNING, "BIRK", studio.LENA, begun.date(), "0.25", "Timer", "Build", True, "unsubmitted", begun,
        is_running=True, timer_started_at=stamp(begun)))
    for item in spendings:
        store["expenses"].add(rows.expense(
            EXPENSE + item.number, item.code, item.email, item.day, item.amount, item.category, item.note,
            item.billable, _status(item)))
    return duplicate


def _status(item):
    return "approved" if item.approved else ("unsubmitted", "submitted")[item.number % 2]


def _made(id_, **fields):
    return {"id": id_, **fields, "created_at": stamp(_OPENED), "updated_at": stamp(_OPENED)}


def _people(store):
    for role in sorted({person.role for person in studio.PEOPLE}):
        members = [person.harvest_id for person in studio.PEOPLE if person.role == role]
        store["roles"].add(_made(1001 + len(store["roles"].rows), name=role, user_ids=members))
    for person in studio.PEOPLE:
        store["users"].add(_made(
            person.harvest_id, first_name=person.first_name, last_name=person.last_name, email=person.email,
            telephone="", timezone="Berlin", has_access_to_all_future_projects=False, is_active=True,
            is_contractor=person.contractor, weekly_capacity=144_000, default_hourly_rate=100.0,
            cost_rate=float(person.cost), roles=[person.role], avatar_url=None,
            access_roles=["administrator"] if person.email == studio.MARA else ["member"]))
        for place, (amount, first, last) in enumerate((
                (person.cost - 4, None, "2025-12-31"), (person.cost, "2026-01-01", None))):
            store["cost_rates"].add(_made(person.harvest_id * 10 + place, amount=float(amount), start_date=first,
                                          end_date=last, user={"id": person.harvest_id}))
        store["billable_rates"].add(_made(person.harvest_id, amount=100.0, start_date=None, end_date=None,
                                          user={"id": person.harvest_id}))


def _customers(store):
    for customer in studio.CUSTOMERS:
        client = rows.named_client(customer)
        store["clients"].add(_made(
            customer.harvest_id, name=client["name"], is_active=True, currency=studio.CURRENCY,
            statement_key=f"key{customer.harvest_id}",
            address=f"{customer.street}\n{customer.postal_code} {customer.city}\n{customer.country}"))
        store["contacts"].add(_made(
            customer.contact_id, client={"id": client["id"], "name": client["name"]}, title="",
            first_name=customer.contact[0], last_name=customer.contact[1], email=customer.contact_email,
            phone_office="", phone_mobile="", fax=""))


def _projects(store, team):
    """:param team: ``(code, e-mail)`` of who works on what"""
    for place, name in enumerate(rows.TASKS):
        store["tasks"].add(_made(801 + place, name=name, billable_by_default=True, default_hourly_rate=None,
                                 is_default=True, is_active=True))
    for place, name in enumerate(rows.CATEGORIES):
        store["expense_categories"].add(_made(4 + place, name=name, unit_name=None, unit_price=None, is_active=True))
    for deal in studio.DEALS:
        project = rows.named_project(deal.code)
        store["projects"].add(_made(
            project["id"], name=deal.name, code=deal.code, is_active=True, is_billable=True, is_fixed_fee=False,
            client=rows.named_client(studio.customer(deal.customer)), fee=None, bill_by="People", hourly_rate=None,
            budget_by="none", budget=None, cost_budget=None, starts_on=deal.closed_on.isoformat(), ends_on=None,
            notes=""))
        for task in store["tasks"].all():
            store["task_assignments"].add(_made(
                project["id"] * 1000 + task["id"], project=project, task={"id": task["id"], "name": task["name"]},
                is_active=True, billable=True, hourly_rate=None, budget=None))
    for code, email in team:
        store["user_assignments"].add(_made(
            rows.assignment_id(code, email), project=rows.named_project(code), user=rows.named_user(email),
            is_active=True, is_project_manager=email == studio.deal(code).delivery_owner, use_default_rates=False,
            hourly_rate=rows.rate(code, email), budget=None))
