from odoo import fields, models

from .entry_specs import is_rejected, source_block, tell_billing, withdraw
from .project_subjects import closed_key, contract_key, entity_key, no_contract_text, wrong_entity_text
from .tools import changed_values, currencies_by_code, share_prefetch, write_grouped

# Once an expense is in the books only these of its fields may still follow the source.
_FREE_WHEN_POSTED = {"name"}


class PsaApplyExpense(models.AbstractModel):
    """Expenses -> ``hr.expense`` with the project's analytic account; billable ones become entries.

    An approved expense is approved in Odoo and left for accounting to post. It carries no sales order, so that Odoo
    never re-invoices what the hub bills. The billed amount is the source's, unless an expense policy says
    otherwise; in another currency than the contract's only where the contract has a rule for exchange rates.
    """

    _name = "psa.apply.expense"
    _inherit = "psa.apply"
    _description = "Apply Expenses"
    _canonical_names = {
        "name": "description", "employee_id": "resource", "date": "spent_on", "product_id": "category",
        "total_amount_currency": "amount", "currency_id": "currency", "payment_mode": "reimbursable",
        "approval_state": "approved",
    }

    # === PREPARE === #
    def _prepare(self, items):
        share_prefetch(items)
        currencies = self._currencies(items)
        for item in items:
            if item.ok and not self._is_void(item):
                self._check(item, currencies)
        self.env["psa.apply.duplicate"]._check_expenses(
            [item for item in items if item.ok and not item.record and not self._is_void(item)], currencies)

    def _currencies(self, items):
        return currencies_by_code(self.env, {
            code for item in items for code in (item.values["currency"], item.values["billing_currency"])})

    def _risk(self, items):
        for item in items:
            source = item.values
            if source.get("billable"):
                item.risk(source["billing_amount"], source["billing_currency"] or source["currency"])

    def _is_void(self, item):
        """True when nothing of the record is left: no amount, or sent back by the approver."""
        return not item.values["amount"] or is_rejected(item.values)

    def _check(self, item, currencies):
        source = item.values
        project = item.parents["project"]
        employee = item.parents["resource"]
        order = project.psa_contract_id
        company = order.company_id or project.company_id or item.company
        who = {"person": employee.name, "project": project.name, "date": source["spent_on"]}
        hold = {
            "key": item.key, "company": company, "record": project,
            "amount": source["billing_amount"], "currency": source["billing_currency"] or source["currency"],
        }
        billing_currency = source["billing_currency"] or source["currency"]
        inactive = [
            code for code in (source["currency"], *([billing_currency] if source["billable"] else ()))
            if not currencies.get(code) or not currencies[code].active
        ]
        if employee.company_id != company:
            text = wrong_entity_text(self.env, project, company, employee)
            item.hold("wrong_entity", text, **{**hold, "key": entity_key(project)})
        elif project.psa_closed_for_expenses and not item.record:
            item.hold("closed_project", self.env._(
                "The project “%s” is closed for expenses, and people still charge to it. Reopen the project, or move "
                "the expenses at the source.", project.name,
            ), **{**hold, "key": closed_key(project, "expense")})
        elif inactive:
            item.hold("currency_mismatch", self.env._(
                "The expense of %(person)s on %(date)s is in %(currency)s, which is not switched on in Odoo.",
                currency=inactive[0], **who,
            ), **hold)
        elif source["billable"] and not order:
            item.hold(
                "no_contract", no_contract_text(self.env, project), **{**hold, "key": contract_key(project)})
        elif source["billable"] and source["billing_amount"] is None:
            item.hold("invalid_data", self.env._(
                "The billable expense of %(person)s on %(date)s does not say what to bill for it. "
                "Complete it at the source.", **who,
            ), **hold)
        elif source["billable"] and billing_currency != order.currency_id.name and not order.psa_exchange_rule:
            item.hold("currency_mismatch", self.env._(
                "The expense of %(person)s on %(date)s is to be billed in %(billing)s, but the contract %(contract)s "
                "is in %(currency)s. Correct the expense at the source, or say on the contract which exchange rate "
                "bills it.",
                billing=billing_currency, contract=order.name, currency=order.currency_id.name, **who,
            ), **hold)

    # === APPLY === #
    def _apply(self, items):
        void = [item for item in items if self._is_void(item)]
        self._remove([item for item in void if is_rejected(item.values)], rejected=True)
        self._remove([item for item in void if not is_rejected(item.values)])
        by_company = {}
        for item in items:
            if not self._is_void(item):
                by_company.setdefault(item.parents["resource"].company_id, []).append(item)
        currencies = self._currencies(items)
        for company, company_items in by_company.items():
            self.with_company(company).with_context(mail_activity_automation_skip=True)._book(
                company_items, company, currencies)

    def _book(self, items, company, currencies):
        """Create and change the expenses of one company, then tell billing of all of them at once."""
        Expense = self.env["hr.expense"]
        values = {item: self._expense_values(item, company, currencies) for item in items}
        new = [item for item in items if not item.record]
        if new:
            # Odoo would look for the default once an expense.
            method = Expense.new({"company_id": company.id}).payment_method_line_id
            for item in new:
                values[item]["payment_method_line_id"] = method.id
        created = Expense.create([{**values[item], **self._approval(item)} for item in new])
        expenses = dict(zip(new, created, strict=True))
        known = [item for item in items if item.record]
        self._change(known, values)
        expenses.update((item, item.record) for item in known)
        tell_billing(self.env, "expense", [
            self._entry_spec(item, expense, currencies) for item, expense in expenses.items()
            if item.parents["project"].psa_contract_id
        ])
        for item, expense in expenses.items():
            item.done(expense)

    def _expense_values(self, item, company, currencies):
        source = item.values
        project = item.parents["project"]
        category = source["category"]
        return {
            "name": source["description"] or category.display_name,
            "employee_id": item.parents["resource"].id,
            "company_id": company.id,
            "date": source["spent_on"],
            "product_id": category.id,
            "total_amount_currency": float(source["amount"]),
            "currency_id": currencies[source["currency"]].id,
            "payment_mode": "company_account" if source["reimbursable"] is False else "own_account",
            "analytic_distribution": project._get_analytic_distribution(),
        }

    def _approval(self, item):
        """Return Odoo's approval of what the source approved; the rest stays a draft."""
        approved = item.values["approved"]
        return {
            "approval_state": "approved" if approved else False,
            "approval_date": fields.Datetime.now() if approved else False,
        }

    def _change(self, items, values):
        """Write what differs; of an expense in the books only what is free. Billing reports the rest."""
        changes = []
        for item in items:
            expense = item.record
            wanted = {name: value for name, value in values[item].items() if name != "analytic_distribution"}
            changed = changed_values(expense, wanted)
            if expense.account_move_id:
                changed = {name: value for name, value in changed.items() if name in _FREE_WHEN_POSTED}
            elif bool(expense.approval_state == "approved") != item.values["approved"]:
                changed.update(self._approval(item))
            changes.append((expense, self._owned(item, changed)))
        write_grouped(changes)

    def _entry_spec(self, item, expense, currencies):
        source = item.values
        project = item.parents["project"]
        order = project.psa_contract_id
        return {
            "source": expense,
            "order_id": order.id,
            "order_line_id": None,
            "project_id": project.id,
            "employee_id": item.parents["resource"].id,
            "role_id": None,
            "work_date": source["spent_on"],
            "quantity": 1,
            "currency_id": (
                currencies[source["billing_currency"] or source["currency"]] if source["billable"]
                else order.currency_id
            ).id,
            "fixed_amount": source["billing_amount"] if source["billable"] else 0,
            "approved": source["approved"],
            "billable": source["billable"],
            "source_blocked": source_block(source),
            "source_billed_number": source["billed_number"],
            "description": expense.name,
            "source_amount": source["billing_amount"],
            "message_id": item.message.id,
        }

    # === REMOVE === #
    def _delete(self, items):
        self._remove(items)

    def _remove(self, items, rejected=False):
        """Withdraw the entries and take the expenses away; what is billed or in the books stays."""
        expenses = self.env["hr.expense"].union(*(item.record for item in items if item.record))
        kept = withdraw(self.env, "expense", expenses, rejected) | expenses.filtered("account_move_id")
        if gone := expenses - kept:
            gone.write({"approval_state": False, "approval_date": False})  # Odoo deletes no approved expense
            gone.unlink()
        for item in items:
            item.done(item.record if item.record and item.record in kept else None)
