"""Projects by the code that they have in all systems."""


def projects_by_code(env, wanted):
    """Return the projects that have the codes, archived ones too, in one query.

    :param wanted: set of ``(company id, code)``
    :return: ``{(company id, code): project}``; the company's own outranks one without company
    """
    wanted = {(company_id, code) for company_id, code in wanted if code}
    if not wanted:
        return {}
    projects = env["project.project"].with_context(active_test=False).search_fetch(
        [
            ("psa_code", "in", list({code for _company_id, code in wanted})), ("is_template", "=", False),
            ("company_id", "in", [False, *{company_id for company_id, _code in wanted}]),
        ],
        ["psa_code", "company_id", "psa_contract_id"])
    found = {(project.company_id.id, project.psa_code): project for project in projects}
    return {
        (company_id, code): project for company_id, code in wanted
        if (project := found.get((company_id, code)) or found.get((False, code)))
    }


def code_of(text):
    """Return a code as it is kept: without blanks around it, or False."""
    return (text or "").strip() or False
