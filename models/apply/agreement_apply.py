from datetime import timezone

from markupsafe import Markup

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import format_date

from ..billing.cap_burn import MAIL_HUSH
from .tools import join_names, save, share_prefetch


class PsaApplyAgreement(models.AbstractModel):
    """Agreements of a signing system -> ``psa.agreement``, the evidence on the contract, and what a signature starts.

    A signed contract that waited is confirmed. A signed amendment gets its signature, and comes into force when the
    connection's user may approve it; else an approver is asked. What is declined or voided is noted, no more.
    """

    _name = "psa.apply.agreement"
    _inherit = "psa.apply"
    _description = "Apply Agreements"

    # === PREPARE === #
    def _prepare(self, items):
        share_prefetch(items)
        items = [item for item in items if item.ok]
        self._find_subjects(items)
        for item in items:
            subject = item.parents.get("subject")
            if item.ok and self._state(item) == "signed" and not (item.record and item.record.state == "signed"):
                if subject._name == "psa.amendment":
                    self._check_amendment(item, subject)
                else:
                    self._check_contract(item, subject)

    def _state(self, item):
        if item.values["void"]:
            return "void"
        return "signed" if item.values["signed"] else "sent"

    def _find_subjects(self, items):
        """Set ``item.parents["subject"]`` to the contract or amendment; hold what belongs to none, or to several."""
        unknown = []
        for item in items:
            if item.record:
                item.parents["subject"] = item.record._subject()
            else:
                unknown.append(item)
        if not unknown:
            return
        self.env["psa.agreement"]._take_turn(unknown)
        references = {item: item.values["subject_reference"].strip() for item in unknown}
        found = self.env["psa.apply.agreement.find"]._find(unknown[0].connection, set(references.values()))
        for item, reference in references.items():
            subjects = found.get(reference)
            names = {"agreement": item.values["name"], "reference": reference}
            if not subjects:
                text = self.env._(
                    "The agreement “%(agreement)s” is for “%(reference)s”, which is no contract, amendment or deal "
                    "that the hub knows.", **names)
            elif len(subjects) > 1:
                text = self.env._(
                    "The agreement “%(agreement)s” is for “%(reference)s”, which can be %(subjects)s.",
                    subjects=join_names(subjects.mapped("display_name"), self.env._("or")), **names)
            else:
                item.parents["subject"] = subjects
                continue
            item.hold("unknown_agreement", text, key=item.key)

    def _check_contract(self, item, order):
        """Hold a signature that cannot start its contract: cancelled, or a customer whose account is incomplete."""
        if order.state == "cancel":
            self._hold_without_effect(item, order, self.env._(
                "The contract %(contract)s with %(customer)s is signed, but it was cancelled in Odoo. Set it back to a "
                "quotation if it holds, or waive the agreement.",
                contract=order.name, customer=order.partner_id.display_name), item.key)
        elif order.state in ("draft", "sent"):
            partner = order.partner_id.commercial_partner_id
            missing = partner._psa_missing_account(order.fiscal_position_id)
            if missing:
                item.hold(
                    "account_incomplete",
                    self.env._(
                        "The contract %(contract)s is signed, but the account of %(customer)s is incomplete: "
                        "%(missing)s. Complete the customer, and the contract starts at once.",
                        contract=order.name, customer=partner.display_name,
                        missing=join_names(missing, self.env._("and"))),
                    key=f"account:{partner.id}", amount=order.amount_untaxed, currency=order.currency_id,
                    company=order.company_id, record=order)

    def _check_amendment(self, item, amendment):
        """Hold the signature of an amendment that nobody has sent to sign."""
        text = {
            "draft": self.env._(
                "%s is signed, but it is a draft in Odoo. Send it to sign there when its text is what was signed.",
                amendment.display_name),
            "refused": self.env._(
                "%s is signed, but it was refused in Odoo. Take it back to draft and send it to sign if it holds.",
                amendment.display_name),
        }.get(amendment.state)
        if text:
            self._hold_without_effect(item, amendment.order_id, text, f"amendment:{amendment.id}", amendment)

    def _hold_without_effect(self, item, order, text, key, record=None):
        item.hold(
            "agreement_without_effect", text, key=key, company=order.company_id, record=record or order,
            amount=order.amount_untaxed if not record else None, currency=order.currency_id)

    # === APPLY === #
    def _apply(self, items):
        before = {item: item.record.state if item.record else "sent" for item in items}
        values = {item: self._agreement_values(item) for item in items}
        agreements = save(self, "psa.agreement", items, values)
        files = {item: self._keep_files(item, agreement) for item, agreement in agreements.items()}
        changed = {item: agreement for item, agreement in agreements.items() if agreement.state != before[item]}
        signed = self.env["psa.agreement"].union(
            *(agreement for agreement in changed.values() if agreement.state == "signed"))
        self._audit(changed, before)
        self._sign_contracts(signed.filtered(lambda agreement: not agreement.amendment_id))
        for item, agreement in agreements.items():
            self._post(agreement, item in changed, files[item])
        for agreement in signed.filtered("amendment_id"):
            self._sign_amendment(agreement)
        for item, agreement in agreements.items():
            if item in changed and agreement.state == "void":
                self._ask_salesperson(agreement)
            item.done(agreement)

    def _audit(self, changed, before):
        self.env["psa.audit"]._log([
            {
                "event": f"agreement.{agreement.state}",
                "res_model": agreement._subject()._name,
                "res_id": agreement._subject().id,
                "company_id": agreement.company_id.id,
                "before": {"agreement": agreement.name, "state": before[item]},
                "after": {"state": agreement.state, "signed_by": agreement.signer_name or None},
                "reason": agreement.void_reason or None,
            }
            for item, agreement in changed.items()
        ])

    def _agreement_values(self, item):
        source = item.values
        return {
            "name": source["name"],
            "reference": source["subject_reference"],
            "connection_id": item.connection.id,
            **self.env["psa.agreement"]._subject_values(item.parents["subject"]),
            "state": self._state(item),
            "status": source["status"],
            "signed_at": _naive(source["signed_at"]),
            "signer_name": source["signer_name"] or source["signer_email"] or False,
            "signer_email": source["signer_email"] or False,
            "void_reason": source["void_reason"] or False,
        }

    def _keep_files(self, item, agreement):
        """Attach what came with the message to the contract or amendment, each file once. Return the new ones."""
        known = set(agreement.attachment_ids.mapped("checksum"))
        subject = agreement._subject()
        new = self.env["ir.attachment"].create([
            {"name": file.name, "mimetype": file.mimetype, "raw": file.raw, "res_model": subject._name,
             "res_id": subject.id}
            for file in item.message._files() if file.checksum not in known
        ])
        if new:
            agreement.attachment_ids |= new
        return new

    # === CONTRACTS === #
    def _sign_contracts(self, agreements):
        """Write who signed, and start the contracts that waited for it."""
        for agreement in agreements:
            order = agreement.order_id
            if not order.signed_on:
                order.write({
                    "signed_by": agreement.signer_name, "signed_on": agreement.signed_at or fields.Datetime.now()})
        waiting = agreements.order_id.filtered(lambda order: order.state in ("draft", "sent"))
        if waiting:
            waiting.action_confirm()

    # === AMENDMENTS === #
    def _sign_amendment(self, agreement):
        """Write the signature; then the amendment's own rules say who puts it in force."""
        amendment = agreement.amendment_id
        values = {} if amendment.signed_on else {
            "signed_on": agreement._signed_on(), "signed_by": agreement.signer_name}
        if not amendment.document and agreement.attachment_ids:
            document = agreement.attachment_ids.sorted("id")[0]
            values.update(document=document.datas, document_name=document.name)
        if values:
            amendment.write(values)
        if amendment.state != "to_sign":
            return
        user = self.env.user
        if user.has_group("psa_hub.group_approver") and self._may_approve(amendment):
            amendment.action_put_in_force()
            return
        responsible = self._responsible(agreement)
        if responsible:
            amendment.with_context(**MAIL_HUSH).activity_schedule(
                "mail.mail_activity_data_todo", user_id=responsible.id,
                summary=self.env._("It is signed: have an approver put it in force"))

    def _may_approve(self, amendment):
        """Say whether four eyes and the evidence that the company asks for are there, with the connection's user."""
        try:
            amendment._check_four_eyes()
            amendment._check_evidence()
        except UserError:
            return False
        return True

    # === WHAT PEOPLE ARE TOLD === #
    def _post(self, agreement, changed, files):
        """Note in the chatter of the contract or amendment what was signed or is void, with its documents."""
        if not files and not changed:
            return
        names = {
            "agreement": agreement.name, "signer": agreement.signer_name or self.env._("unknown"),
            "reason": agreement.void_reason or agreement.status,
        }
        if agreement.state == "signed":
            text = self.env._(
                "“%(agreement)s” was signed by %(signer)s on %(date)s.",
                date=format_date(self.env, agreement._signed_on()), **names)
        elif agreement.state == "void":
            text = self.env._("“%(agreement)s” will not be signed: %(reason)s.", **names)
        else:
            text = self.env._("“%(agreement)s” is out for signature.", **names)
        agreement._subject().with_context(mail_notrack=True).message_post(
            body=Markup("<p>%s</p>") % text, attachment_ids=files.ids, subtype_xmlid="mail.mt_note")

    def _ask_salesperson(self, agreement):
        responsible = self._responsible(agreement)
        if responsible:
            agreement._subject().with_context(**MAIL_HUSH).activity_schedule(
                "mail.mail_activity_data_todo", user_id=responsible.id,
                summary=self.env._("Not signed: %s", agreement.name),
                note=agreement.void_reason or agreement.status)

    def _responsible(self, agreement):
        """Return the contract's salesperson, else who looks after the connection."""
        return agreement.order_id.user_id or agreement.connection_id._responsible()


def _naive(moment):
    """Return an aware datetime as the database keeps it: UTC without a zone."""
    if not moment:
        return False
    return moment.astimezone(timezone.utc).replace(tzinfo=None, microsecond=0)
