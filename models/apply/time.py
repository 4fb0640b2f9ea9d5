from odoo import models

from .entry_specs import is_rejected, source_block, tell_billing, withdraw
from .project_subjects import (
    closed_key,
    contract_key,
    currency_key,
    entity_key,
    no_contract_text,
    wrong_entity_text,
)
from .tools import changed_values, share_prefetch, write_grouped

# What Odoo refuses to change once a timesheet is invoiced.
_LOCKED_WHEN_BILLED = {"unit_amount", "employee_id", "project_id", "task_id", "so_line", "date"}


class PsaApplyTime(models.AbstractModel):
    """Time -> timesheets (``account.analytic.line``) and, on a contract, billable entries.

    Every record that is not rejected becomes a timesheet on a task of its order line (or role), pinned to the line
    that pays for it. Hours under a fee or a milestone are pinned to that line too, so that Odoo's screens are right;
    billing knows them as covered. Zero hours or a rejection take the timesheet away again, unless it is billed:
    then billing reports the difference and the timesheet stays.
    """

    _name = "psa.apply.time"
    _inherit = "psa.apply"
    _description = "Apply Time"
    _canonical_names = {
        "name": "description", "project_id": "project", "employee_id": "resource", "date": "work_date",
        "unit_amount": "hours",
    }

    # === PREPARE === #
    def _prepare(self, items):
        share_prefetch(items)
        checked = [item for item in items if item.ok and not self._is_void(item)]
        lent = self._lent(checked)
        for item in checked:
            self._check(item, lent)
        self.env["psa.apply.duplicate"]._check_time([item for item in checked if item.ok and not item.record])

    def _risk(self, items):
        for item in items:
            if item.values.get("billable"):
                item.risk(item.values["source_amount"], item.values["currency"])

    def _is_void(self, item):
        """True when nothing of the record is left: zero hours, or sent back by the approver."""
        return not item.values["hours"] or is_rejected(item.values)

    def _company_of(self, item):
        project = item.parents["project"]
        return project.psa_contract_id.company_id or project.company_id or item.company

    def _lent(self, items):
        """Return those of ``items`` whose person another company of the group lends at a known price; one query."""
        foreign = [item for item in items if item.parents["resource"].company_id != self._company_of(item)]
        terms = self.env["psa.transfer.price"]._find([
            (item.parents["resource"].company_id.id, self._company_of(item).id,
             self.env["psa.apply.time.place"]._role(item).id, item.values["work_date"])
            for item in foreign
        ])
        return {item for item, found in zip(foreign, terms, strict=True) if found and item.parents[
            "project"].psa_contract_id}

    def _check(self, item, lent):
        """Hold what cannot be booked; every sentence says who, what and how to mend it.

        :param lent: items whose person another company lends
        """
        source = item.values
        project = item.parents["project"]
        employee = item.parents["resource"]
        order = project.psa_contract_id
        company = self._company_of(item)
        if employee.company_id != company and item not in lent:
            item.hold(
                "wrong_entity",
                wrong_entity_text(self.env, project, company, employee), key=entity_key(project), company=company,
                record=project,
            )
        elif project.psa_closed_for_time and not item.record:
            item.hold(
                "closed_project",
                self.env._(
                    "The project “%s” is closed for time, and people still book on it. Reopen the project, or move "
                    "the time at the source.", project.name,
                ),
                key=closed_key(project), company=company, record=project,
            )
        elif source["billable"] and not order:
            item.hold(
                "no_contract",
                no_contract_text(self.env, project), key=contract_key(project), company=company, record=project,
            )
        elif (
            source["billable"] and source["currency"] not in (None, order.currency_id.name)
            and not order.psa_exchange_rule
        ):
            item.hold(
                "currency_mismatch",
                self.env._(
                    "Time on the project “%(project)s” came in in %(time)s, but its contract %(contract)s is in "
                    "%(currency)s. Correct the rates or the project at the source.",
                    project=project.name, time=source["currency"], contract=order.name,
                    currency=order.currency_id.name,
                ),
                key=currency_key(project), company=company, record=project,
            )

    # === APPLY === #
    def _apply(self, items):
        void = [item for item in items if self._is_void(item)]
        self._remove([item for item in void if is_rejected(item.values)], rejected=True)
        self._remove([item for item in void if not is_rejected(item.values)])
        by_company = {}
        for item in items:
            if not self._is_void(item):
                project = item.parents["project"]
                company = project.company_id or item.company
                by_company.setdefault(company, []).append(item)
        for company, company_items in by_company.items():
            self.with_company(company)._book(company_items, company)

    def _book(self, items, company):
        """Create and change the timesheets of one company, then tell billing of all of them at once."""
        self._start_over(items)
        lines = self.env["psa.apply.time.place"]._places(items)
        values = {item: self._timesheet_values(item, company, *lines[item]) for item in items}
        new = [item for item in items if not item.record]
        known = [item for item in items if item.record]
        with self._without_sums(known, lines.values()):
            created = self.env["account.analytic.line"]._psa_create([values[item] for item in new])
            self._change(known, values)
        timesheets = dict(zip(new, created, strict=True))
        timesheets.update((item, item.record) for item in known)
        tell_billing(self.env, "time", [
            self._entry_spec(item, timesheet, *lines[item])
            for item, timesheet in timesheets.items() if item.parents["project"].psa_contract_id
        ])
        for item, timesheet in timesheets.items():
            item.done(timesheet)

    def _without_sums(self, known, places):
        """Put off the sums of where timesheets are and where they go to, so that workers do not meet there."""
        timesheets = self.env["account.analytic.line"].union(*(item.record for item in known))
        order_lines = timesheets.so_line.union(*(order_line for order_line, _task, _role in places))
        tasks = timesheets.task_id.union(*(task for _order_line, task, _role in places))
        return self.env["psa.apply.total"]._put_off(tasks, order_lines, order_lines.order_id)

    def _start_over(self, items):
        """Give time that moved to an archived employee a new timesheet: Odoo lets no existing one follow."""
        moved = [
            item for item in items
            if item.record and item.record.employee_id != item.parents["resource"]
            and not item.parents["resource"].active and item.record._is_not_billed()
        ]
        timesheets = self.env["account.analytic.line"].union(*(item.record for item in moved))
        if timesheets:
            kept = withdraw(self.env, "time", timesheets)
            (timesheets - kept).unlink()
            for item in moved:
                if item.record not in kept:
                    item.record = None

    def _timesheet_values(self, item, company, order_line, task, role):
        source = item.values
        return {
            "name": source["description"] or "/",
            "project_id": item.parents["project"].id,
            "task_id": task.id,
            "employee_id": item.parents["resource"].id,
            "date": source["work_date"],
            "unit_amount": float(source["hours"]),
            "so_line": order_line.id,
            "is_so_line_edited": True,
            "company_id": company.id,
        }

    def _change(self, items, values):
        """Write what differs; of an invoiced timesheet only what Odoo lets change. Billing reports the rest."""
        changes = []
        for item in items:
            timesheet = item.record
            changed = changed_values(timesheet, values[item])
            if changed.get("name") == "/" and not timesheet.name:
                changed.pop("name")
            if not timesheet._is_not_billed():
                changed = {name: value for name, value in changed.items() if name not in _LOCKED_WHEN_BILLED}
            changes.append((timesheet, self._owned(item, changed)))
        write_grouped(changes)

    def _entry_spec(self, item, timesheet, order_line, task, role):
        source = item.values
        project = item.parents["project"]
        order = project.psa_contract_id
        return {
            "source": timesheet,
            "order_id": order.id,
            "order_line_id": order_line.id,
            "project_id": project.id,
            "employee_id": item.parents["resource"].id,
            "role_id": role.id or (False if self.env["psa.apply.time.place"]._needs_role(order) else None),
            "work_date": source["work_date"],
            "quantity": source["hours"],
            "currency_id": order.currency_id.id,
            "fixed_amount": None,
            "approved": source["approved"],
            "billable": source["billable"],
            "source_blocked": source_block(source),
            "source_billed_number": source["billed_number"],
            "description": source["description"] or "",
            "source_amount": source["source_amount"],
            "message_id": item.message.id,
        }

    # === REMOVE === #
    def _delete(self, items):
        self._remove(items)

    def _remove(self, items, rejected=False):
        """Withdraw the entries and take the timesheets away; an invoiced one stays and billing reports it."""
        timesheets = self.env["account.analytic.line"].union(*(item.record for item in items if item.record))
        kept = withdraw(self.env, "time", timesheets, rejected)
        kept |= timesheets.filtered(lambda timesheet: not timesheet._is_not_billed())
        if gone := timesheets - kept:
            gone.unlink()
        for item in items:
            item.done(item.record if item.record and item.record in kept else None)
