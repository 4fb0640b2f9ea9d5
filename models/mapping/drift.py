# pylint: disable=invalid-commit  # each stream in a transaction of its own, none open while a vendor is asked
import logging
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ...connectors.errors import ConnectorError
from ..sync.gate import GateClosed
from ..sync.mapper import field_label
from ..sync.psa_lane import CONFLICTS
from .discover import discover, used_paths

_logger = logging.getLogger(__name__)

ENOUGH = 20  # fewer new records than this say nothing about a field that they lack
OFTEN = 0.5  # a field that at least this share of the records had is missed when none has it
SHOWN = 12
LOOKED_AT_AGE = timedelta(hours=1)  # a description is as good as new for so long


class PsaStream(models.Model):
    """Schema drift: what changed among the source's fields since a person has looked at them last.

    Each day the fields of new stored records, and before a run the vendor's own description where there is one, are
    compared with what was known (``known_fields``). A removed or retyped field that the map in force reads is an
    exception that is due at once, new fields are one that can wait. What is known changes only when a person accepts
    it.

    When the vendor itself says that a field is gone which the map reads, the stream rests: read without it, the records
    would empty what they filled before.
    """

    _inherit = "psa.stream"

    known_fields = fields.Json(
        readonly=True, copy=False,
        help="{described: {path: type}, seen: {path: [kind, share of records]}, message: id of the newest one seen}")
    drift = fields.Json(readonly=True, copy=False, help="{removed, retyped, new: [path]} since then.")
    field_gone = fields.Boolean(
        "Rests for a Field", readonly=True, copy=False,
        help="The system has no longer a field that the field map reads. Nothing is read until the map does without.")
    drift_text = fields.Text("Changed Fields", compute="_compute_drift_text")

    @api.depends("drift")
    def _compute_drift_text(self):
        for stream in self:
            stream.drift_text = stream._drift_sentence(stream.drift) or False

    # === COMPARE === #
    def _fields_now(self, after_id=0):
        """Return what is to be known: see ``known_fields``; ``total`` records were looked at."""
        self.ensure_one()
        found, total = discover(self._stored_raws(after_id=after_id))
        newest = self.env["psa.message"].search([("stream_id", "=", self.id)], order="id desc", limit=1)
        return {
            "described": {path: item.get("type") or "" for path, item in (self.described or {}).items()},
            "seen": {path: [item.kind, round(item.count / total, 3)] for path, item in found.items()},
            "message": newest.id, "total": total,
        }

    def _compare_fields(self):
        """Return the drift (dict of lists of paths, ``retyped`` as texts) of one stream against what is known."""
        self.ensure_one()
        known, now = self.known_fields, self._fields_now(self.known_fields.get("message") or 0)
        removed, retyped, new = set(), {}, set()
        before, after = known.get("described") or {}, now["described"]
        if before and after:
            removed |= before.keys() - after.keys()
            new |= after.keys() - before.keys()
            retyped |= {path: [before[path], after[path]] for path in before.keys() & after.keys()
                        if before[path] != after[path]}
        seen_before, seen_after = known.get("seen") or {}, now["seen"]
        for path, (kind, share) in seen_before.items():
            kind_now, share_now = seen_after.get(path, ("", 0))
            if share >= OFTEN and not share_now and now["total"] >= ENOUGH and path not in after:
                removed.add(path)
            if kind and kind_now and kind_now != kind and path not in after:
                retyped[path] = [kind, kind_now]
        if not after:
            new |= seen_after.keys() - seen_before.keys()
        drift = {"removed": sorted(removed), "retyped": dict(sorted(retyped.items())), "new": sorted(new)}
        return drift if any(drift.values()) else {}

    def _described_gone(self):
        """Return the paths (set) that the vendor described once and does not any more."""
        before, after = (self.known_fields or {}).get("described") or {}, self.described or {}
        return before.keys() - after.keys() if after else set()

    def _used_now(self):
        """Return ``{source path: {canonical field}}`` of the map in force."""
        return used_paths((line.canonical_field, line.path) for line in self.mapping_id.line_ids)

    def _drift_sentence(self, drift):
        """Return what changed as plain text, one line a kind."""
        if not drift:
            return ""
        used = self._used_now()

        def listed(paths):
            names = [f"{path} ({', '.join(field_label(name) for name in sorted(used[path]))})" if path in used else path
                     for path in paths]
            more = self.env._(" and %s more", len(names) - SHOWN) if len(names) > SHOWN else ""
            return ", ".join(names[:SHOWN]) + more

        lines = []
        if drift.get("removed"):
            lines.append(self.env._("Gone: %s.", listed(drift["removed"])))
        if drift.get("retyped"):
            lines.append(self.env._("Of another type: %s.", "; ".join(
                self.env._("%(field)s (was %(before)s, is %(after)s)", field=listed([path]), before=before, after=after)
                for path, (before, after) in list(drift["retyped"].items())[:SHOWN])))
        if drift.get("new"):
            lines.append(self.env._("New: %s.", listed(drift["new"])))
        return "\n".join(lines)

    # === REPORT === #
    def _check_drift(self):
        """Compare, keep what changed, and raise or close the exceptions of these streams."""
        first = self.filtered(lambda stream: not stream.known_fields)
        for stream in first:
            stream.known_fields = stream._fields_now()
        specs, quiet = [], []
        for stream in self - first:
            drift = stream._compare_fields()
            if drift != (stream.drift or {}):
                stream.drift = drift
            used = stream._used_now()
            gone = bool(stream._described_gone() & used.keys())
            if gone != stream.field_gone:
                stream.field_gone = gone
            hurt = {
                "removed": [path for path in drift.get("removed", ()) if path in used],
                "retyped": {path: kinds for path, kinds in drift.get("retyped", {}).items() if path in used}}
            for cause, changed in (("schema_drift", hurt), ("schema_new", {"new": drift.get("new")})):
                if any(changed.values()):
                    specs.append({
                        "cause": cause, "subject_key": stream._drift_key(), "company_id": stream.company_id.id,
                        "connection_id": stream.connection_id.id, "res_model": "psa.mapping",
                        "res_id": stream.mapping_id.id, "text": self.env._(
                            "%(stream)s of %(connection)s: %(changes)s", stream=stream.name,
                            connection=stream.connection_id.name,
                            changes=stream._drift_sentence(changed).replace("\n", " "))})
                else:
                    quiet.append((cause, stream._drift_key()))
        open_ones = self.env["psa.exception"].search([
            ("cause_code", "in", ("schema_drift", "schema_new")), ("is_open", "=", True),
            ("subject_key", "in", [stream._drift_key() for stream in self])])
        known = {(item.cause_code, item.subject_key): item for item in open_ones}
        # What is known to be open is not counted again each day.
        self.env["psa.exception"]._raise([
            spec for spec in specs
            if (spec["cause"], spec["subject_key"]) not in known
            or known[spec["cause"], spec["subject_key"]].name != spec["text"]])
        self.env["psa.exception"].browse(
            item.id for key, item in known.items() if key in set(quiet))._close_if_released()

    def _drift_key(self):
        return f"schema:{self.id}"

    # === JOB AND ACTION === #
    @api.model
    def _cron_check_drift(self):
        """Look at all streams in use; a system that cannot be asked today is compared by its stored records."""
        self.search([("direction", "=", "in"), ("connection_id.active", "=", True)])._look_at_fields()

    @api.model
    def _cron_pull(self):
        """EXTENDS: what is about to be read is described anew first, at most once in an hour."""
        old = fields.Datetime.now() - LOOKED_AT_AGE
        (self._due() | self.search([("field_gone", "=", True)])).filtered(
            lambda stream: stream.described_at and stream.described_at < old)._look_at_fields()
        return super()._cron_pull()

    @api.model
    def _callable(self, where):
        """EXTENDS: a stream that lacks a field rests."""
        return super()._callable(SQL("(%s) AND stream.field_gone IS NOT TRUE", where))

    def _look_at_fields(self):
        """Describe these anew where the vendor can, and compare; in transactions of their own."""
        for connection, group in self.grouped("connection_id").items():
            self.env.cr.commit()
            try:
                if connection._is_live() and connection.state == "connected":
                    group._describe()
            except (ConnectorError, GateClosed) as error:  # noted with the connection, which has its own exception
                _logger.info("Connection %s describes no fields today: %s", connection.id, error)
            try:
                group._check_drift()
                self.env.cr.commit()
            except CONFLICTS as error:
                self.env.cr.rollback()
                _logger.info("The fields of connection %s are compared the next time: %s", connection.id, error)

    def action_accept_fields(self):
        """Take the fields as they are now as known: what changed was looked at."""
        self.env["psa.mapping"].check_access("write")
        self.check_access("read")
        for stream in self.sudo():
            used = stream._used_now()
            if gone := [path for path in (stream.drift or {}).get("removed", ()) if path in used]:
                raise UserError(self.env._(
                    "The field map in force still reads %s. Put a version in force that does without.",
                    ", ".join(gone)))
            self.env["psa.audit"]._log([{
                "event": "schema.accept", "res_model": "psa.stream", "res_id": stream.id,
                "company_id": stream.company_id.id, "before": stream.drift or None}])
            stream.write({"known_fields": stream._fields_now(), "drift": False})
            self.env["psa.exception"].sudo().search([
                ("subject_key", "=", stream._drift_key()), ("is_open", "=", True)])._close_if_released()
        return True


class PsaMapping(models.Model):
    _inherit = "psa.mapping"

    def _put_in_force(self, event="mapping.activate", reason=None):
        """EXTENDS: a map that does without what is gone lets its stream read again."""
        result = super()._put_in_force(event, reason)
        self.stream_id.sudo().filtered("known_fields")._check_drift()
        return result
