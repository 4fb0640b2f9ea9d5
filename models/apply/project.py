from odoo import api, models

from .project_code import code_of, projects_by_code
from .tools import changed_values, link_key, linked_keys, save, share_prefetch, unique_by_key, write_grouped


class PsaApplyProject(models.AbstractModel):
    """Projects -> ``project.project``.

    The first project of a deal adopts the project that was made with the contract; another one of the same deal is
    created and shares the contract. Without a deal a project adopts the one that has its code in the company. One with
    neither deal nor customer is internal and never billable.
    """

    _name = "psa.apply.project"
    _inherit = "psa.apply"
    _description = "Apply Projects"
    _canonical_names = {
        "psa_closed_for_time": "closed_for_time", "psa_closed_for_expenses": "closed_for_expenses",
        "psa_excluded_from_billing": "excluded_from_billing", "date_start": "starts_on", "date": "ends_on",
        "user_id": "manager", "psa_contract_id": "deal",
        "psa_code": "code",
    }

    # === RECOGNISE === #
    @api.model
    def _recognise(self, connection, keys):
        """Projects by code or name, in the connection's company or in none."""
        projects = self.env["project.project"].with_context(active_test=False).search_fetch(
            [("is_template", "=", False), ("company_id", "in", (False, connection.company_id.id))],
            ["psa_code", "name"])
        return unique_by_key(keys, projects, (lambda project: project.psa_code, lambda project: project.name))

    # === PREPARE === #
    def _prepare(self, items):
        share_prefetch(items)
        self._check_entity([item for item in items if item.ok])
        self._adopt([item for item in items if item.unmatched and item.parents.get("deal")])
        self._adopt_by_code([item for item in items if item.unmatched and code_of(item.values["code"])])

    def _check_entity(self, items):
        """Hold a project whose legal entity is not the one of its contract or of what was booked on it."""
        for item in items:
            company = item.values["company"]
            order = item.parents.get("deal")
            bound_company = (order or item.record).company_id if order or item.record else None
            if not company or not bound_company or company == bound_company:
                continue
            if order:
                text = self.env._(
                    "The project “%(project)s” belongs to %(company)s, but its contract %(contract)s is with "
                    "%(owner)s. Correct the legal entity of the project or of the deal at the source.",
                    project=item.values["name"], company=company.name, contract=order.name, owner=bound_company.name,
                )
            else:
                text = self.env._(
                    "The project “%(project)s” moved from %(owner)s to %(company)s at the source. A project with "
                    "bookings cannot change its legal entity: set it back, or start a new project.",
                    project=item.values["name"], company=company.name, owner=bound_company.name,
                )
            item.hold("wrong_entity", text, key=item.key, company=bound_company, record=order or item.record)

    def _adopt(self, items):
        """Give each deal's first unlinked project to the first item of the deal."""
        if not items:
            return
        orders = self.env["sale.order"].union(*(item.parents["deal"] for item in items))
        projects = self.env["project.project"].with_context(active_test=False).search_fetch(
            [("psa_contract_id", "in", orders.ids), ("is_template", "=", False)], ["psa_contract_id"], order="id",
        )
        linked = linked_keys(items, projects)
        by_order = projects.grouped("psa_contract_id")
        for item in items:
            free = by_order.get(item.parents["deal"], projects.browse()).filtered(
                lambda project, item=item: link_key(item, project) not in linked
            )[:1]
            if free:
                linked.add(link_key(item, free))
                item.record = free

    def _adopt_by_code(self, items):
        """Give each item the project that has its code, unless the source has linked that or another deal pays."""
        projects = projects_by_code(self.env, {(item.company.id, code_of(item.values["code"])) for item in items})
        linked = linked_keys(items, self.env["project.project"].union(*projects.values()))
        for item in items:
            project = projects.get((item.company.id, code_of(item.values["code"])))
            order = item.parents.get("deal")
            if not project or link_key(item, project) in linked or (
                    order and project.psa_contract_id and project.psa_contract_id != order):
                continue
            linked.add(link_key(item, project))
            item.record = project

    # === APPLY === #
    def _apply(self, items):
        values = {item: self._known_values(item) if item.record else self._new_values(item) for item in items}
        self._add_codes(items, values)
        for item, project in save(self, "project.project", items, values).items():
            item.done(project)

    def _add_codes(self, items, values):
        """Add the codes that are free. A code is one project's: of a source that gives it to two, the first has it."""
        companies = {item: item.record.company_id.id or item.company.id if item.record else values[item]["company_id"]
                     for item in items}
        owners = projects_by_code(self.env, {
            (companies[item], code_of(item.values["code"])) for item in items})
        taken = set()
        for item in items:
            code = code_of(item.values["code"])
            key = companies[item], code
            if code and key not in taken and owners.get(key, item.record) == (item.record or None):
                taken.add(key)
                values[item]["psa_code"] = code

    def _known_values(self, item):
        """Return what the source says of a project that exists; an unnamed value says nothing."""
        source = item.values
        closed = source["active"] is False
        values = {
            "name": source["name"],
            "psa_closed_for_time": bool(source["closed_for_time"]) or closed,
            "psa_closed_for_expenses": bool(source["closed_for_expenses"]) or closed,
            "psa_excluded_from_billing": bool(source["excluded_from_billing"]),
        }
        if source["starts_on"] and source["ends_on"]:  # Odoo keeps both or none
            values.update(date_start=source["starts_on"], date=source["ends_on"])
        manager = item.parents.get("manager")
        if manager and manager.user_id:
            values["user_id"] = manager.user_id.id
        if order := item.parents.get("deal"):
            values["psa_contract_id"] = order.id
        return values

    def _new_values(self, item):
        order = item.parents.get("deal")
        party = order.partner_id if order else item.parents.get("party")
        company = order.company_id if order else item.values["company"] or item.company
        values = {
            "user_id": False,
            **self._known_values(item),
            "company_id": company.id,
            "partner_id": party.id if party else False,
            "allow_timesheets": True,
            "allow_billable": bool(party) and item.values["billable"] is not False,
        }
        if order:
            lines = order.order_line.sorted("sequence")
            by_time = lines.filtered(lambda line: line.psa_billing_method == "time_material")
            values.update(
                allow_billable=True,
                allow_milestones="milestone" in lines.mapped("psa_billing_method"),
                sale_line_id=(by_time or lines)[:1].id,
                reinvoiced_sale_order_id=order.id,
            )
        return values

    def _delete(self, items):
        """A project deleted at the source takes no more time or expenses; what was booked stays billable."""
        write_grouped(
            (item.record, changed_values(item.record, {"psa_closed_for_time": True, "psa_closed_for_expenses": True}))
            for item in items if item.record
        )
        for item in items:
            item.done(item.record)
