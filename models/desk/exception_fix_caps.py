from odoo import models


class PsaException(models.Model):
    """Where the buttons of caps and contract terms lead."""

    _inherit = "psa.exception"

    def _fix_cap(self):
        """The cap that lets no more through; without one the terms of the contract."""
        if self.res_model == "psa.cap" and (cap := self.env["psa.cap"].browse(self.res_id or 0).exists()):
            return self._open(cap, cap.display_name)
        return self._fix_contract_terms()

    def _fix_contract_terms(self):
        """The contract with its billing terms in front."""
        if not self.order_id:
            return self._fix_record()
        view = self.env.ref("psa_hub.sale_order_view_form_psa_in_front")
        return {**self._open(self.order_id), "views": [(view.id, "form")]}
