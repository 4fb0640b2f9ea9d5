from odoo import models


def closed_key(project, what="time"):
    """Subject of what is held because ``project`` is closed for ``what`` (``time`` or ``expense``)."""
    return f"closed:{project.id}:{what}"


def contract_key(project):
    """Subject of what is held because ``project`` has no contract."""
    return f"contract:{project.id}"


def entity_key(project):
    """Subject of what is held because people of another legal entity work on ``project``."""
    return f"entity:{project.id}"


def currency_key(project):
    """Subject of what is held because it is not in the currency of ``project``'s contract."""
    return f"currency:{project.id}"


def wrong_entity_text(env, project, company, employee):
    """Return the sentence about work on ``project`` of ``company`` by ``employee`` of another legal entity."""
    return env._(
        "The project “%(project)s” belongs to %(company)s, but people of another legal entity book on it: %(person)s "
        "of %(employer)s. Correct the records at the source, or let employees of %(company)s book them.",
        project=project.name, company=company.name, person=employee.name, employer=employee.company_id.name,
    )


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
            self.env["psa.message"].sudo()._release_now(keys)
        return result
