"""The studio's part that lives in Jira and Tempo: people, projects of the deals tracked here, issues, worklogs."""

from datetime import datetime, timedelta, timezone
from decimal import Decimal

from .. import studio
from ..clock import START
from .approvals import APPROVED, IN_REVIEW, monday
from .fields import COST_CENTRE
from .store import Worklog

MANAGER = studio.person(studio.MARA).account_id
INACTIVE, HIDDEN = "712020:nb-08", "712020:yt-09"
ACCOUNT, INVOICED = "_Account_", "_Invoiced_"
TASKS = ("Concept", "Build", "Launch")
DELETED_BEFORE, GHOST_NUMBER, FIRST_ID = 501, 502, 510
_PLAIN_FROM = datetime(2026, 1, 5, 8, tzinfo=timezone.utc)


def deals():
    return [deal for deal in studio.DEALS if deal.tracker == "jira"]


def issue_id(deal, task):
    return 20_000 + 10 * deal.number + TASKS.index(task) + 1


def account_key(code):
    return f"ACC-{code}"


def _at(day, hour):
    return datetime(day.year, day.month, day.day, hour, tzinfo=timezone.utc)


def seed(store, scale, records):
    """Fill ``store``; ``records`` plain worklogs are older than all others."""
    _masters(store.tables)
    rows = [_worklog(work) for work in studio.work(scale, "jira")]
    deal = deals()[0]
    ghost_day = studio.PERIOD[0] + timedelta(days=1)
    rows.append(Worklog(GHOST_NUMBER, issue_id(deal, "Build"), studio.GHOST, ghost_day, "09:00:00", 3 * 3600, 3 * 3600,
                        "Handover", _at(ghost_day, 15), _at(ghost_day, 15), {ACCOUNT: account_key(deal.code)},
                        studio.GHOST))
    gone = Worklog(DELETED_BEFORE, issue_id(deal, "Concept"), MANAGER, ghost_day, "09:00:00", 3600, 3600, "Typed twice",
                   _at(ghost_day, 10), _at(ghost_day, 10), {}, MANAGER)
    first_plain = max(row.id for row in rows) + 1
    store.load([*rows, gone, *(_plain(first_plain + number, number, deal) for number in range(records))])
    store.delete(DELETED_BEFORE, _at(ghost_day, 11))
    approved = {(row.author, monday(row.day)) for row, work in zip(rows, studio.work(scale, "jira"), strict=False)
                if work.approved} | {(studio.GHOST, monday(ghost_day))}
    for user, start in sorted(approved):
        spent = store.spent(user, start)
        store.approvals.change(user, start, IN_REVIEW, _at(start + timedelta(days=7), 8), user, spent=spent)
        store.approvals.change(user, start, APPROVED, _at(start + timedelta(days=8), 9), MANAGER, "ok", spent)


def _worklog(work):
    deal = studio.deal(work.code)
    seconds = int(work.hours * 3600)
    stamp = _at(work.day, 16) + timedelta(seconds=work.number)
    attributes = {} if work.number % 7 == 0 else {ACCOUNT: account_key(work.code)}
    author = studio.person(work.email).account_id
    return Worklog(FIRST_ID + work.number, issue_id(deal, work.task), author, work.day, "09:00:00", seconds,
                   seconds if work.billable else 0, work.note, stamp, stamp, attributes, author)


def _plain(worklog_id, number, deal):
    """Return one worklog for load. Three at a time share an update stamp."""
    moment = _PLAIN_FROM + timedelta(seconds=20 * (number // 3))
    author = studio.PEOPLE[number % 6].account_id
    return Worklog(worklog_id, issue_id(deal, TASKS[number % 3]), author, moment.date(), "09:00:00", 1800, 1800, "Load",
                   moment, moment, {}, author)


def _masters(tables):
    for person in studio.PEOPLE:
        tables.users[person.account_id] = {"displayName": person.name, "active": True, "emailAddress": person.email}
    tables.users[INACTIVE] = {"displayName": "Nils Berg", "active": False,
                              "emailAddress": "nils.berg@haldenmarsh.example"}
    tables.users[HIDDEN] = {"displayName": "Yuki Tan", "active": True}
    for customer in studio.CUSTOMERS:
        tables.customers[customer.tempo_id] = {"id": customer.tempo_id, "key": customer.key, "name": customer.name}
    for deal in deals():
        project_id, customer = 10_000 + deal.number, studio.customer(deal.customer)
        lead = studio.person(deal.delivery_owner).account_id
        tables.projects[project_id] = {"id": project_id, "key": deal.code, "name": deal.name, "lead": lead,
                                       "closed_on": deal.closed_on}
        for number, task in enumerate(TASKS, 1):
            tables.issues[issue_id(deal, task)] = {
                "id": issue_id(deal, task), "key": f"{deal.code}-{number}", "summary": task, "project": project_id,
                "updated": _at(deal.closed_on, 12) + timedelta(minutes=number), "status": "In Progress",
                COST_CENTRE: f"CC-{deal.number}",
                "estimate": 3600 * int(sum(line.quantity for line in deal.lines if line.method == "time") / len(TASKS)),
            }
        key = account_key(deal.code)
        tables.accounts[key] = {"id": 700 + deal.number, "key": key, "name": deal.name, "status": "OPEN",
                                "customer": customer.tempo_id, "lead": lead}
        tables.links.append({"id": 800 + deal.number, "account": key, "project": project_id, "default": True})
    tables.attributes[ACCOUNT] = {"key": ACCOUNT, "name": "Account", "type": "ACCOUNT", "required": False}
    tables.attributes[INVOICED] = {"key": INVOICED, "name": "Invoiced", "type": "INPUT_FIELD", "required": False}


def approved_hours(store):
    """Return ``{project key: billable hours, as text}`` of the known people's approved time as it stands."""
    tables, seconds = store.tables, {}
    for row in store.worklogs.values():
        if row.author in tables.users and store.locked(row.author, row.day):
            key = tables.projects[tables.issues[row.issue_id]["project"]]["key"]
            seconds[key] = seconds.get(key, 0) + row.billable
    return {key: str((Decimal(total) / 3600).quantize(Decimal("0.01"))) for key, total in sorted(seconds.items())}


def manifest(store, scale, records):
    """Return what a run on the seeded data must come to: counts by stream, hours and worth by project."""
    expected = studio.expected(scale)
    rows = studio.work(scale, "jira")
    hours = {deal.code: {
        "billable_approved_hours": str(expected[deal.code]["hours"]), "worth": str(expected[deal.code]["time"]),
        "worth_not_approved": str(expected[deal.code]["unapproved"]),
        "not_billable_hours": str(sum((row.hours for row in rows if row.code == deal.code and not row.billable),
                                      Decimal(0))),
    } for deal in deals()}
    tables = store.tables
    return {
        "scale": scale, "period": [day.isoformat() for day in studio.PERIOD], "currency": studio.CURRENCY,
        "streams": {"User": len(tables.users), "Customer": len(tables.customers), "Project": len(tables.projects),
                    "Issue": len(tables.issues), "Worklog": len(rows) + 1},
        "projects": hours, "plain_worklogs": records, "today": START.date().isoformat(),
        "waiting": {"unknown_person": {"author": studio.GHOST, "worklogs": [GHOST_NUMBER], "hours": "3"}},
    }
