import base64
import hashlib
from collections import defaultdict

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import format_amount, format_date, format_datetime

from .entry_kinds import SOURCE_FIELDS
from .evidence_pack import InvoiceFacts, build_pack, check_pack
from .pricing import plain

# The order in which a clerk recomputes an amount; other words come before the last three.
_TRACE_ORDER = (
    "rule", "step", "source", "hours", "rate", "scope", "tried", "valid_from", "valid_to", "exact", "currency",
    "rounding", "steps", "amount", "left",
)


class PsaEvidence(models.Model):
    """What proves an invoice, frozen when it is made: a zip that answers a dispute without a search in five systems."""

    _name = "psa.evidence"
    _description = "Evidence of an Invoice"
    _order = "move_id desc, version desc"
    _rec_name = "move_id"

    # === FIELDS === #
    move_id = fields.Many2one("account.move", "Invoice", required=True, index=True, readonly=True, ondelete="cascade")
    company_id = fields.Many2one(related="move_id.company_id", store=True, index=True, precompute=True)
    version = fields.Integer(readonly=True, required=True, default=1)
    attachment_id = fields.Many2one("ir.attachment", "Pack", required=True, readonly=True, ondelete="restrict")
    sha256 = fields.Char("SHA-256", required=True, readonly=True)
    entry_count = fields.Integer("Entries", readonly=True)
    verified_at = fields.Datetime("Last Verified", readonly=True)
    verified = fields.Selection(
        [("intact", "Intact"), ("changed", "Changed")], "Verification", readonly=True)

    _version_uniq = models.Constraint("UNIQUE(move_id, version)", "This version of the pack exists.")

    # === CRUD === #
    def write(self, vals):
        if not self.env.su:
            raise AccessError(self.env._("Evidence is never changed: make a new version instead."))
        return super().write(vals)

    # === ACTIONS === #
    def action_download(self):
        """Hand the zip to the browser."""
        self.ensure_one()
        self.check_access("read")
        return {"type": "ir.actions.act_url", "url": f"/psa_hub/evidence/{self.id}", "target": "download"}

    def action_verify(self):
        """Compare the stored packs with the hashes noted when they were made; say what was found.

        :return: notification
        """
        self.check_access("read")
        changed = self.browse()
        for evidence in self.sudo():
            content = evidence.attachment_id.raw or b""
            intact = hashlib.sha256(content).hexdigest() == evidence.sha256 and not check_pack(content)
            evidence.write({"verified_at": fields.Datetime.now(), "verified": "intact" if intact else "changed"})
            if not intact:
                changed |= evidence
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "danger" if changed else "success",
                "message": self.env._(
                    "Not what was frozen: %s", ", ".join(changed.move_id.mapped("name"))) if changed
                else self.env._("Every pack is what was frozen."),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    # === BUSINESS === #
    @api.model
    def _make(self, moves):
        """Freeze the evidence of posted invoices that entries stand on, as a new version each.

        :param moves: posted customer invoices and credit notes; others are left out
        :return: the packs
        """
        moves = moves.sudo().filtered(lambda move: move.state == "posted" and move.psa_allocation_ids)
        if not moves:
            return self.browse()
        versions = {
            move.id: version for move, version in self.sudo()._read_group(
                [("move_id", "in", moves.ids)], ["move_id"], ["version:max"])
        }
        packs = []
        for move in moves:
            facts = self._facts(move.with_context(lang=move.partner_id.lang or self.env.lang))
            packs.append((move, build_pack(facts), len(facts.rows)))
        attachments = self.env["ir.attachment"].sudo().create([
            {
                "name": self.env._("Evidence %s.zip", move.name.replace("/", "-")),
                "raw": content, "mimetype": "application/zip", "res_model": "account.move", "res_id": move.id,
                "company_id": move.company_id.id,
            }
            for move, content, _count in packs
        ])
        return self.sudo().create([
            {
                "move_id": move.id, "version": versions.get(move.id, 0) + 1, "attachment_id": attachment.id,
                "sha256": hashlib.sha256(content).hexdigest(), "entry_count": count,
            }
            for (move, content, count), attachment in zip(packs, attachments, strict=True)
        ]).with_env(self.env)

    # === WHAT A PACK TELLS === #
    def _facts(self, move):
        """Return the :class:`~.evidence_pack.InvoiceFacts` of one move; a constant number of queries."""
        env = move.env
        allocations = move.psa_allocation_ids.sorted(
            lambda allocation: (allocation.move_line_id.sequence, allocation.move_line_id.id,
                                allocation.entry_id.work_date, allocation.entry_id.id))
        entries, orders = allocations.entry_id, allocations.entry_id.order_id
        sources = self._sources(entries)
        proposals = move.psa_proposal_ids
        labels = {
            "title": env._("Evidence of invoice %s"), "approvals": env._("Approvals"),
            "clauses": env._("Contract terms"), "files": env._("Receipts and papers in this pack"),
            "date": env._("Date"), "text": env._("Work"), "person": env._("Person"), "quantity": env._("Quantity"),
            "rate": env._("Rate"), "worth": env._("Worth"), "amount_on_this_invoice": env._("Billed here"),
            "source_record": env._("Source record"),
        }
        heading = [
            (env._("Customer"), move.partner_id.display_name),
            (env._("Invoice date"), format_date(env, move.invoice_date)),
            (env._("Contract"), ", ".join(orders.mapped("name"))),
            (env._("Customer's order"), ", ".join(filter(None, orders.mapped("psa_purchase_order")))),
            (env._("Before tax"), format_amount(env, move.amount_untaxed, move.currency_id)),
            (env._("Total"), format_amount(env, move.amount_total, move.currency_id)),
        ]
        approvals = []
        for proposal in proposals:
            steps = [
                (env._("Prepared by"), proposal.prepared_by, proposal.create_date),
                (env._("First approved by"), proposal.first_approved_by, proposal.first_approved_at),
                (env._("Approved by"), proposal.approved_by, proposal.approved_at),
            ]
            approvals += [
                (f"{proposal.name}: {step}", person.name, format_datetime(env, moment))
                for step, person, moment in steps if person
            ]
        return InvoiceFacts(
            number=move.name,
            heading=[(label, text) for label, text in heading if text],
            rows=[self._row(allocation, sources) for allocation in allocations],
            approvals=approvals,
            clauses=self._clauses(entries),
            files=self._files(entries),
            labels=labels,
        )

    def _row(self, allocation, sources):
        entry, env = allocation.entry_id, allocation.env
        kinds = dict(entry._fields["kind"]._description_selection(env))
        source, record = sources.get(entry.id, ("", ""))
        digits = entry.currency_id.decimal_places
        money = lambda value: f"{value or 0:.{digits}f}"  # noqa: E731 - one format for the seven amounts of a row
        return {
            "invoice_line": (allocation.move_line_id.name or "").split("\n")[0],
            "entry": entry.id,
            "date": entry.work_date.isoformat(),
            "kind": kinds[entry.kind],
            "project": entry.project_id.name or "",
            "person": entry.employee_id.sudo().name or "",
            "role": entry.role_id.name or "",
            "text": entry.narrative or entry.description or "",
            "quantity": plain(allocation.quantity),
            "unit": entry.uom_id.name or "",
            "rate": plain(entry.rate),
            "worth": money(entry.gross_amount),
            "written_down": money(entry.written_down_amount),
            "paid_by_retainer": money(entry.drawn_amount),
            "over_cap": money(entry.over_cap_amount),
            "amount_on_this_invoice": money(allocation.amount),
            "currency": entry.currency_id.name,
            "approved_at": entry.approved_at and fields.Datetime.to_string(entry.approved_at) or "",
            "source": source,
            "source_record": record,
            "terms": entry.order_line_id.name.split("\n")[0] if entry.order_line_id else "",
            "why_this_amount": trace_text(entry.trace),
        }

    def _sources(self, entries):
        """Return ``{entry id: (system, external id)}`` by the bindings of what the entries stand for; one query."""
        wanted = defaultdict(dict)
        for entry in entries:
            field_name = SOURCE_FIELDS.get(entry.kind)
            record = field_name and field_name in entry and entry[field_name]
            if record:
                wanted[record._name][record.id] = entry.id
        found = {}
        for model_name, by_record in wanted.items():
            for binding in self.env["psa.binding"].sudo().search([
                ("res_model", "=", model_name), ("res_id", "in", list(by_record)), ("alias_of_id", "=", False),
            ]):
                found[by_record[binding.res_id]] = (
                    f"{binding.connection_id.name}: {binding.object_type}", binding.external_id)
        return found

    def _clauses(self, entries):
        """Return ``[(title, text)]`` of the contract terms that the entries were billed by, amendments included."""
        clauses = [(order.name, str(order.note.striptags())) for order in entries.order_id if order.note]
        for amendment in self._amendments(entries):
            signed = amendment.signed_by and self.env._(
                "Signed by %(who)s on %(day)s", who=amendment.signed_by,
                day=format_date(amendment.env, amendment.signed_on))
            clauses.append((
                f"{amendment.order_id.name}, {amendment.display_name}",
                "\n".join(filter(None, [amendment.clause, amendment.terms, signed])),
            ))
        return clauses

    def _amendments(self, entries):
        """Return the amendments of the contracts that were in force when the latest of the work was done."""
        last = {order: max(of_order.mapped("work_date")) for order, of_order in entries.grouped("order_id").items()}
        return self.env["psa.amendment"].sudo().search([
            ("order_id", "in", entries.order_id.ids), ("state", "in", ("in_force", "superseded")),
        ], order="order_id, number").filtered(
            lambda amendment: amendment.date_effective <= last[amendment.order_id]
            or amendment in entries.amendment_id)

    def _files(self, entries):
        """Return ``[(name, bytes)]``: receipts of expenses, signed acceptances and amendments. Two queries."""
        attachments = self.env["ir.attachment"].sudo().search([
            "|", "&", ("res_model", "=", "hr.expense"), ("res_id", "in", entries.expense_id.ids),
            "&", ("res_model", "=", "project.milestone"), ("res_id", "in", entries.milestone_id.ids),
        ], order="id") | entries.milestone_id.psa_evidence_ids.sudo()
        found = [(attachment.name, attachment.raw) for attachment in attachments if attachment.raw]
        return found + [
            (amendment.document_name or amendment.display_name, base64.b64decode(amendment.document))
            for amendment in self._amendments(entries) if amendment.document
        ]


class AccountMove(models.Model):
    _inherit = "account.move"

    psa_evidence_ids = fields.One2many("psa.evidence", "move_id", "Evidence", readonly=True)

    def action_psa_evidence(self):
        """Freeze the evidence of this invoice (a new version, when there is one already) and download it."""
        self.ensure_one()
        self.check_access("read")
        if not self.env.user.has_group("psa_hub.group_operator"):
            raise AccessError(self.env._("Only operators may make evidence packs."))
        evidence = self.env["psa.evidence"]._make(self)
        if not evidence:
            raise UserError(self.env._("Evidence is made of posted invoices that bill entries of PSA Hub."))
        return evidence.action_download()

    def _psa_portal_evidence(self):
        """Return the pack that the customer may download: the latest one, made now when there is none."""
        self.ensure_one()
        if not self.company_id.psa_evidence_in_portal:
            return self.env["psa.evidence"]
        return self.psa_evidence_ids.sorted("version")[-1:] or self.env["psa.evidence"]._make(self)


def trace_text(trace):
    """Return a trace as one line of plain words: ``rule: hours times rate; hours: 7.5; ...``.

    PostgreSQL keeps the keys of a JSON value in an order of its own: :data:`_TRACE_ORDER` is the one to read.
    """
    def flat(value, label):
        if isinstance(value, dict):
            ordered = sorted(value.items(), key=lambda pair: (
                _TRACE_ORDER.index(pair[0]) if pair[0] in _TRACE_ORDER else len(_TRACE_ORDER) - 3, pair[0]))
            for key, item in ordered:
                if not key.endswith("_id"):
                    yield from flat(item, key.replace("_", " "))
        elif isinstance(value, list):
            if value and all(not isinstance(item, (dict, list)) for item in value):
                yield f"{label}: {', '.join(str(item).replace('_', ' ') for item in value)}"
            else:
                for item in value:
                    yield from flat(item, label)
        elif value not in (None, False, ""):
            yield f"{label}: {str(value).replace('_', ' ')}"
    return "; ".join(flat(trace or {}, ""))
