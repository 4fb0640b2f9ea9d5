from odoo import models


class PsaApplyTimePlace(models.AbstractModel):
    """Where time belongs: the order line that pays for it, the task it is booked on and the role it is sold as.

    Time of a task that the source names is booked on that task, whichever line pays.
    """

    _name = "psa.apply.time.place"
    _description = "Find the Order Line and Task of Time"

    def _places(self, items):
        """Return ``{item: (order line, task, role)}``; the first two may be empty. Missing tasks are made in bulk."""
        orders = self.env["sale.order"].union(*(item.parents["project"].psa_contract_id for item in items))
        lines_by_order = {order: order.order_line.sorted("sequence") for order in orders}
        roles = {item: self._role(item) for item in items}
        lines = {item: self._order_line(item, roles[item], lines_by_order) for item in items}
        named = {item: self._named_task(item) for item in items}
        keys = {item: self._task_key(item, lines[item], roles[item]) for item in items if not named[item]}
        tasks = self._tasks(set(keys.values()) - {None})
        no_task = self.env["project.task"]
        return {
            item: (lines[item], named[item] or tasks.get(keys[item], no_task), roles[item]) for item in items
        }

    def _named_task(self, item):
        """Return the task that the source names, when it is one of the project that the time is on."""
        task = item.parents.get("task")
        return task if task and task.project_id == item.parents["project"] else None

    def _role(self, item):
        """Return what the person is sold as: the record's role, else the assignment's, else the person's own."""
        assignment = item.parents.get("assignment")
        return (
            item.values["role"]
            or (assignment and assignment.role_id)
            or item.parents["resource"].psa_role_id
        )

    def _order_line(self, item, role, lines_by_order):
        """Return the line that pays: of the milestone, of the role, of no role, any by time, a retainer, then a fee."""
        none = self.env["sale.order.line"]
        project = item.parents["project"]
        if not item.values["billable"] or not project.psa_contract_id:
            return none
        milestone = item.parents.get("milestone")
        if milestone and milestone.sale_line_id.psa_billing_method == "milestone":
            return milestone.sale_line_id
        lines = lines_by_order[project.psa_contract_id]
        by_time = lines.filtered(lambda line: line.psa_billing_method == "time_material")
        return (
            (role and by_time.filtered(lambda line: line.psa_role_id == role))
            or by_time.filtered(lambda line: not line.psa_role_id)
            or by_time
            or next(filter(None, (
                lines.filtered(lambda line, method=method: line.psa_billing_method == method)
                for method in ("retainer", "prepaid", "fixed_fee", "milestone", "progress", "recurring")
            )), none)
        )[:1]

    def _needs_role(self, order):
        """Say whether hours on this contract have no price before their role is known: it sells several at several."""
        lines = order.order_line.filtered(lambda line: line.psa_billing_method == "time_material")
        everyone = lines.filtered(lambda line: not line.psa_role_id)
        return not everyone and len(lines.psa_role_id) > 1 and len(set(lines.mapped("price_unit"))) > 1

    def _task_key(self, item, order_line, role):
        """Return what the item's task is unique by: project, order line and name; None when it needs no task."""
        name = order_line.name.split("\n")[0] if order_line else role.name
        return (item.parents["project"].id, order_line.id, name) if name else None

    def _tasks(self, keys):
        """Return ``{(project id, order line id, name): task}``, found in one query or made in one create."""
        if not keys:
            return {}
        tasks = {}
        for task in self.env["project.task"].with_context(active_test=False).search_fetch(
            [
                ("project_id", "in", list({project_id for project_id, _line_id, _name in keys})),
                ("name", "in", list({name for _project_id, _line_id, name in keys})),
            ],
            ["project_id", "sale_line_id", "name"], order="active, id desc",
        ):
            tasks[task.project_id.id, task.sale_line_id.id, task.name] = task
        lacking = sorted(keys - set(tasks))
        if lacking:
            self.env["psa.apply.turn"]._take({f"task:{':'.join(map(str, key))}" for key in lacking})
            projects = {project.id: project for project in self.env["project.project"].browse(
                {project_id for project_id, _line_id, _name in lacking})}
            made = self.env["project.task"].create([
                {
                    "name": name,
                    "project_id": project_id,
                    "company_id": projects[project_id].company_id.id,
                    "partner_id": projects[project_id].partner_id.id,
                    "sale_line_id": line_id,
                    "user_ids": False,
                }
                for project_id, line_id, name in lacking
            ])
            tasks.update(zip(lacking, made, strict=True))
        return tasks
