"""The acts of the demo that people play: the billing run, the approval, the posting, a payment."""

from odoo.tools import split_every


def user_env(env, login):
    """Return the environment of one of the firm's people, in all of the firm's companies."""
    user = env["res.users"].search([("login", "=", login)])
    return env(user=user.id, su=False, context={"allowed_company_ids": user.company_ids.ids})


def propose(env, period, companies=None):
    """Finance runs the billing of the period and hands what has an amount and is not on hold over for approval.

    :param period: ``{"start": ISO date, "end": ISO date}``
    :param companies: those that are billed, by default all of finance's
    """
    finance = user_env(env, "finance")
    companies = finance.companies & companies if companies else finance.companies
    run = finance["psa.billing.run"].create({
        "period_start": period["start"], "period_end": period["end"], "company_ids": [(6, 0, companies.ids)]})
    run.action_run()
    proposals = finance["psa.proposal"].search([
        ("period_start", "=", period["start"]), ("period_end", "=", period["end"]), ("state", "=", "draft"),
        ("company_id", "in", companies.ids)])
    proposals.filtered(lambda proposal: proposal.amount_untaxed and not proposal.on_hold).action_submit()
    return proposals


def approve_and_post(env, day, commit=lambda: None, companies=None):
    """The approver approves every proposal, which makes draft invoices, and posts them.

    :param day: ISO date of the invoices
    :param companies: those that are billed, by default all of the approver's
    """
    approver = user_env(env, "approver")
    companies = companies or approver.companies
    proposals = approver["psa.proposal"].search([
        ("state", "=", "to_approve"), ("company_id", "in", companies.ids)])
    for batch in split_every(20, proposals.ids, approver["psa.proposal"].browse):
        batch.action_approve()
        moves = batch.move_ids
        moves.invoice_date = day
        moves.action_post()
        commit()
    return approver["psa.proposal"].browse(proposals.ids).move_ids
