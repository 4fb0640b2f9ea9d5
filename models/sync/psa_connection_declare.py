from odoo import models
from odoo.exceptions import ValidationError


class PsaConnection(models.Model):
    """From what a connector and its packages declare to settings, credentials and streams of a connection."""

    _inherit = "psa.connection"

    def _declare(self):
        """Create what is declared and not there yet; archive the streams of packages that were switched off."""
        for connection in self:
            connection._declare_settings()
            connection._declare_credentials()
            streams = connection._declare_streams()
            connection._declare_mappings(streams)
            connection._declare_value_maps()

    # === SETTINGS AND CREDENTIALS === #

    def _declare_settings(self):
        Setting = self.env["psa.connection.setting"]
        present = {(line.kind, line.code) for line in Setting.search([("connection_id", "=", self.id)])}
        Setting.create([values for key, values in Setting._declared(self).items() if key not in present])

    def _declare_credentials(self):
        """One line per value of the chosen log-in and per webhook secret; those of another log-in are deleted."""
        connector = self._connector()
        method = next((item for item in connector.auth_methods if item.code == self.auth_method), None)
        wanted = {item.code: (item, False) for item in (method.fields if method else ())}
        wanted |= {item.code: (item, True) for item in connector.webhook_secrets}
        lines = self.env["psa.credential"].sudo().search([("connection_id", "=", self.id)])
        other = {item.code for other in connector.auth_methods for item in other.fields} - wanted.keys()
        lines.filtered(lambda line: line.code in other).unlink()
        present = set(lines.exists().mapped("code"))
        lines.create([{
            "connection_id": self.id, "code": code, "name": item.label, "help": item.help, "secret": item.secret,
            "required": item.required, "multiline": item.multiline, "is_webhook_secret": for_webhook,
            "sequence": sequence,
        } for sequence, (code, (item, for_webhook)) in enumerate(wanted.items()) if code not in present])

    # === STREAMS === #

    def _declare_streams(self):
        wanted = self._declared_streams()
        streams = self.env["psa.stream"].with_context(active_test=False).search([("connection_id", "=", self.id)])
        present = {(stream.direction, stream.code): stream for stream in streams}
        gone = streams.filtered(lambda item: item.active and (item.direction, item.code) not in wanted)
        gone.active = False
        back = streams.filtered(lambda item: not item.active and (item.direction, item.code) in wanted
                                and item.provider_code != self.connector_code)
        back.active = True
        return streams.create([values for key, values in wanted.items() if key not in present])

    def _declared_streams(self):
        """Return ``{(direction, code): create values}``."""
        wanted = {}
        for provider_code, provider in self._providers().items():
            for spec in provider.streams:
                self._add_declared(wanted, "in", spec, {
                    "provider_code": provider_code,
                    "object_type": spec.object_type,
                    "sequence": spec.sequence,
                    "mode": "both" if spec.webhook else "poll",
                    "near_real_time": spec.near_real_time,
                    "interval_minutes": spec.interval_minutes,
                    "overlap_seconds": spec.overlap_seconds,
                    "page_size": spec.page_size,
                    "freshness_minutes": max(15 if spec.near_real_time else 60, 4 * spec.interval_minutes),
                })
            for spec in provider.outbound:
                self._add_declared(wanted, "out", spec, {"provider_code": provider_code, "page_size": spec.batch_size})
        return wanted

    def _add_declared(self, wanted, direction, spec, values):
        if (direction, spec.code) in wanted:
            raise ValidationError(self.env._("Two packages declare the stream %s.", spec.code))
        wanted[direction, spec.code] = {
            "connection_id": self.id, "direction": direction, "code": spec.code, "name": spec.label,
            "canonical_type": spec.canonical_type, **values}

    # === FIELD MAPS AND VALUE MAPS === #

    def _declare_mappings(self, streams):
        """Put the first version of each new stream's field map in force, as the vendor's folder ships it."""
        self.env["psa.mapping"]._create_default(streams)

    def _declare_value_maps(self):
        """Add the translations that the vendor's folder ships for codes; what a person changed stays."""
        wanted = {}
        for provider in self._providers().values():
            for domain, pairs in provider.default_value_maps().items():
                wanted |= {(domain, source): target for source, target in pairs.items()}
        ValueMap = self.env["psa.value.map"]
        present = {(line.domain, line.source_value)
                   for line in ValueMap.search([("connection_id", "=", self.id)])}
        ValueMap.create([
            {"connection_id": self.id, "domain": domain, "source_value": source, "target_code": target}
            for (domain, source), target in wanted.items() if (domain, source) not in present])
