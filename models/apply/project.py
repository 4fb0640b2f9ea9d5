from odoo import api, models

from .tools import changed_values, link_key, linked_keys, save, share_prefetch, unique_by_key, write_grouped


class PsaApplyProject(models.AbstractModel):
    """Projects -> ``project.project``.

    The first project of a deal adopts the project that was made with the contract; another one of the same deal is
    created and shares the contract. A project with neither deal nor customer is internal and never billable.
    """

    _name = "psa.apply.project"
    _inherit = "psa.apply"
    _description = "Apply Projects"
    _canonical_names = {
        "psa_closed_for_time": "closed_for_time", "psa_closed_for_expenses": "closed_for_expenses",
        "psa_excluded_from_billing": "excluded_from_billing", "date_start": "starts_on", "date": "ends_on",
        "user_id": "manager", "psa_contract_id": "deal",
    }

    # === RECOGNISE === #
    @api.model
    def _recognise(self, connection, keys):
        """Projects by code or name, in the connection's company or shared; archived ones when no other has the key."""
        Project = self.env["project.project"]
        names = [name for name in ("psa_code", "name") if name in Project._fields]
        found = {}
        for active in (True, False):
            projects = Project.search_fetch(
                [("company_id", "in", [connection.company_id.id, False]), ("is_template", "=", False),
                 ("active", "=", active)], names, order="id")
            claimed = unique_by_key(keys - found.keys(), projects, [
                lambda project, name=name: project[name] for name in names])
            found.update(claimed)
            taken = {(project[name] or "").strip().casefold() for project in projects for name in names}
            keys = {key for key in keys if key.strip().casefold() not in taken}  # two of one name stay unknown
        return found

    # === PREPARE === #
    def _prepare(self, items):
        share_prefetch(items)
        self._check_entity([item for item in items if item.ok])
        self._adopt([item for item in items if item.ok and not item.record and item.parents.get("deal")])

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

    # === APPLY === #
    def _apply(self, items):
        values = {item: self._known_values(item) if item.record else self._new_values(item) for item in items}
        for item, project in save(self, "project.project", items, values).items():
            item.done(project)

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
