from odoo import models


def closed_key(project, what="time"):
    """Subject of what is held because ``project`` is closed for ``what`` (``time`` or ``expense``)."""
    return f"closed:{project.id}:{what}"


def contract_key(project):
    """Subject of what is held because ``project`` has no contract."""
    return f"contract:{project.id}"


def no_contract_text(env, project):
    """Return the sentence about billable work on ``project``, which has no contract."""
    return env._(
        "Billable work came in on the project “%s”, which has no contract. Choose the project's contract, or mark the "
        "work as not billable at the source.", project.name,
    )


class ProjectProject(models.Model):
    """Reopening a project or giving it a contract releases all that waits for it."""

    _inherit = "project.project"

    def write(self, vals):
        result = super().write(vals)
        keys = []
        if vals.get("psa_closed_for_time") is False:
            keys += [closed_key(project) for project in self]
        if vals.get("psa_closed_for_expenses") is False:
            keys += [closed_key(project, "expense") for project in self]
        if vals.get("psa_contract_id"):
            keys += [contract_key(project) for project in self]
        if keys:
            self.env["psa.message"].sudo()._release(keys)
        return result
