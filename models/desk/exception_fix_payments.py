from odoo import models

# Money that is booked and stands open on a customer's account; it closes when it is reconciled.
OPEN_CAUSES = ("payment_excess", "refund_without_credit")


class PsaException(models.Model):
    """Where the exceptions of payments lead: the invoice to choose, the payment, the connection's settings."""

    _inherit = "psa.exception"

    def _fix_payment_match(self):
        """The dialog that asks which invoice the money is for; its list is made here, as the browser sends none back.
        """
        choose = self.env["psa.payment.choose"].create({"exception_id": self.id})
        return {**self._open(choose, self.fix_label), "target": "new"}

    def _release_holders(self, how, reason=None):
        """A retry of what only tells looks again whether the money still stands open."""
        count = super()._release_holders(how, reason)
        if how == "retry":
            for exception in self.filtered(lambda told: told.cause_code in OPEN_CAUSES and told.is_open):
                parts = exception._subject_parts("payment", 1)
                payment = self.env["account.payment"].browse(int(parts[0])).exists() if parts else None
                if payment and payment._psa_is_booked() and not payment.is_reconciled:
                    exception.state = "assigned" if exception.user_id else "new"
                else:
                    exception._close("resolved")
        return count
