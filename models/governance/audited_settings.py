"""What counts as a setting of the hub. Costs of people are none: who may read the trail need not know them."""

from odoo import models


class PsaConnection(models.Model):
    _name = "psa.connection"
    _inherit = ["psa.connection", "psa.audited"]

    _audited_also = ("state",)


class PsaConnectionSetting(models.Model):
    _name = "psa.connection.setting"
    _inherit = ["psa.connection.setting", "psa.audited"]

    def _audited_company_id(self):
        return self.connection_id.company_id.id


class PsaStream(models.Model):
    _name = "psa.stream"
    _inherit = ["psa.stream", "psa.audited"]


class PsaMapping(models.Model):
    _name = "psa.mapping"
    _inherit = ["psa.mapping", "psa.audited"]


class PsaMappingLine(models.Model):
    _name = "psa.mapping.line"
    _inherit = ["psa.mapping.line", "psa.audited"]

    def _audited_company_id(self):
        return self.mapping_id.company_id.id


class PsaValueMap(models.Model):
    _name = "psa.value.map"
    _inherit = ["psa.value.map", "psa.audited"]

    def _audited_company_id(self):
        return (self.company_id or self.connection_id.company_id or self.env.company).id


class PsaExceptionCause(models.Model):
    _name = "psa.exception.cause"
    _inherit = ["psa.exception.cause", "psa.audited"]


class PsaRate(models.Model):
    _name = "psa.rate"
    _inherit = ["psa.rate", "psa.audited"]


class PsaRateCard(models.Model):
    _name = "psa.rate.card"
    _inherit = ["psa.rate.card", "psa.audited"]


class PsaExchangeRate(models.Model):
    _name = "psa.exchange.rate"
    _inherit = ["psa.exchange.rate", "psa.audited"]


class PsaTransferPrice(models.Model):
    _name = "psa.transfer.price"
    _inherit = ["psa.transfer.price", "psa.audited"]


class ResCompany(models.Model):
    """Of a company the hub's own settings."""

    _name = "res.company"
    _inherit = ["res.company", "psa.audited"]

    def _audited_fields(self):
        return frozenset(name for name in super()._audited_fields() if name.startswith("psa_"))

    def _audited_company_id(self):
        return self.id

    def _audit_changes(self, event, before, after):
        """A new company has no settings yet that anybody chose, and may be deleted again."""
        return super()._audit_changes(event, before, after) if event == "setting.change" else None
