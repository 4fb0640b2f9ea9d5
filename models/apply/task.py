from odoo import api, models

from .tools import changed_values, link_key, linked_keys, save, share_prefetch, unique_by_key, write_grouped


class PsaApplyTask(models.AbstractModel):
    """Tasks (issues, activities) -> ``project.task`` of their project.

    A task without link adopts the one of its name in the project, such as the contract's, else it is created. The order
    line that pays for work on it is the work's own matter (see ``psa.apply.time.place``).
    """

    _name = "psa.apply.task"
    _inherit = "psa.apply"
    _description = "Apply Tasks"
    _canonical_names = {
        "psa_code": "code", "project_id": "project", "parent_id": "parent", "allocated_hours": "planned_hours",
    }

    # === RECOGNISE === #
    @api.model
    def _recognise(self, connection, keys):
        """Tasks by the number that people know, in the connection's company or in none."""
        tasks = self.env["project.task"].with_context(active_test=False).search_fetch(
            [("psa_code", "in", list(keys)), ("company_id", "in", (False, connection.company_id.id))], ["psa_code"])
        return unique_by_key(keys, tasks, (lambda task: task.psa_code,))

    # === PREPARE === #
    def _prepare(self, items):
        share_prefetch(items)
        self._start_over([item for item in items if item.ok and item.record])
        self._adopt([item for item in items if item.unmatched])

    def _start_over(self, items):
        """Give a task that moved to another project a new one there: what was booked on the old one stays booked."""
        moved = {item: item.record for item in items if item.record.project_id != item.parents["project"]}
        if not moved:
            return
        booked = {
            task.id for (task,) in self.env["account.analytic.line"]._read_group(
                [("task_id", "in", [task.id for task in moved.values()])], ["task_id"])
        }
        for item, task in moved.items():
            if task.id in booked:
                item.record = None

    def _adopt(self, items):
        """Give each item the unlinked task of its name in its project."""
        if not items:
            return
        self.env["psa.apply.turn"]._take({
            f"task:{item.parents['project'].id}:{item.values['name']}" for item in items})
        tasks = self.env["project.task"].with_context(active_test=False).search_fetch(
            [
                ("project_id", "in", list({item.parents["project"].id for item in items})),
                ("name", "in", list({item.values["name"] for item in items})),
            ],
            ["project_id", "name"], order="active DESC, id",
        )
        linked = linked_keys(items, tasks)
        by_place = tasks.grouped(lambda task: (task.project_id.id, task.name))
        for item in items:
            same = by_place.get((item.parents["project"].id, item.values["name"]), tasks.browse())
            free = next((task for task in same if link_key(item, task) not in linked), None)
            if free:
                linked.add(link_key(item, free))
                item.record = free

    # === APPLY === #
    def _apply(self, items):
        values = {item: self._task_values(item) for item in items}
        for item, task in save(self.with_context(psa_no_followers=True), "project.task", items, values).items():
            item.done(task.with_env(self.env))

    def _task_values(self, item):
        source = item.values
        project = item.parents["project"]
        parent = item.parents.get("parent")
        values = {"name": source["name"], "project_id": project.id}
        if source["code"]:
            values["psa_code"] = source["code"]
        if source["active"] is not None:
            values["active"] = source["active"]
        if source["planned_hours"] is not None:
            values["allocated_hours"] = float(source["planned_hours"])
        if parent and parent.project_id == project:
            values["parent_id"] = parent.id
        if not item.record:
            values.update(company_id=project.company_id.id, partner_id=project.partner_id.id, user_ids=False)
        return values

    def _delete(self, items):
        """A task deleted at the source is archived; time that was booked on it stays."""
        write_grouped((item.record, changed_values(item.record, {"active": False})) for item in items if item.record)
        for item in items:
            item.done(item.record)
