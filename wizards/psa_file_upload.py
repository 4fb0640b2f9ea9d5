import base64
import io
import itertools
import json
from collections import Counter

from markupsafe import Markup

from odoo import api, fields, models
from odoo.exceptions import UserError

from .. import connectors
from ..connectors import canonical
from ..connectors.base import PushItem
from ..models.sync.file_rows import RowReader, codes, references
from ..models.sync.mapper import field_label, plain
from ..models.sync.psa_value_map import DOMAINS

#: A preview looks at so many rows; the rest is checked while it is stored.
PREVIEW_ROWS = 20_000
SHOWN_ROWS, SHOWN_PROBLEMS = 10, 100
CHUNK = 1000


class PsaFileUpload(models.TransientModel):
    """Looks at a file before anything is stored, and stores it when the person says so."""

    _name = "psa.file.upload"
    _description = "Upload a File"

    # === FIELDS === #
    connection_id = fields.Many2one(
        "psa.connection", required=True, default=lambda self: self._connections()[:1],
        domain=lambda self: [("id", "in", self._connections().ids)])
    stream_id = fields.Many2one(
        "psa.stream", "What It Holds",
        domain="[('connection_id', '=', connection_id), ('direction', '=', 'in')]")
    content = fields.Binary("File")
    name = fields.Char("File Name")
    state = fields.Selection([("choose", "Choose"), ("preview", "Preview")], required=True, default="choose")
    download = fields.Binary(readonly=True)
    download_name = fields.Char(readonly=True)

    row_count = fields.Integer("Rows", readonly=True)
    is_partial = fields.Boolean(readonly=True)
    new_count = fields.Integer("New", readonly=True)
    changed_count = fields.Integer("Changed", readonly=True)
    unchanged_count = fields.Integer("Unchanged", readonly=True)
    problem_count = fields.Integer("With Errors", readonly=True)
    amount = fields.Char("Money in the File", readonly=True)
    problem_amount = fields.Char("Of Which With Errors", readonly=True)
    failure = fields.Char(readonly=True)
    rows_html = fields.Html("First Rows", readonly=True, sanitize=False)
    problems_html = fields.Html("Errors", readonly=True, sanitize=False)

    @api.model
    def _connections(self):
        codes = [code for code, item in connectors.connectors().items() if item.takes_files]
        return self.env["psa.connection"].search([("connector_code", "in", codes)])

    # === DOWNLOADS === #
    def action_template(self):
        """Download a file that shows the columns."""
        self._check_stream()
        provider, spec = self.stream_id._declaration(self.stream_id.id)
        return self._download(*provider.file_template(spec))

    def action_billed(self):
        """Download what was billed of this connection's records."""
        self.ensure_one()
        stream = self.connection_id.stream_ids.filtered(
            lambda item: item.direction == "out" and item.canonical_type == "billing_status")[:1]
        if not stream:
            raise UserError(self.env._("%s does not write back what was billed.", self.connection_id.name))
        if self.connection_id.is_shadow:
            raise UserError(self.env._(
                "%s is in shadow mode: nothing is handed over until it goes live.", self.connection_id.name))
        provider, spec = stream._declaration(stream.id)
        messages = self.env["psa.message"].sudo().search(
            [("stream_id", "=", stream.id), ("direction", "=", "out"), ("skip_reason", "!=", "superseded"),
             ("payload", "!=", False)], order="id")
        return self._download(*provider.written_file(spec, [
            PushItem(stream.sudo()._idempotency_key(message), message.object_type, message.external_id,
                     json.loads(message.payload)) for message in messages]))

    def _download(self, name, content):
        self.write({"download": base64.b64encode(content), "download_name": name})
        return {
            "type": "ir.actions.act_url", "target": "download",
            "url": f"/web/content/{self._name}/{self.id}/download/{name}?download=true",
        }

    # === PREVIEW === #
    def action_preview(self):
        """Read the file and show what it would change; nothing is stored."""
        self._check_stream()
        if not self.content or not self.name:
            raise UserError(self.env._("Choose a file."))
        self.write({"state": "preview", **Preview(self).values()})
        return self._reopen()

    def action_back(self):
        """Choose another file."""
        self.ensure_one()
        self.write({"state": "choose", "content": False, "name": False})
        return self._reopen()

    def action_store(self):
        """Store the rows as messages; what has errors is held in the inbox, with its row."""
        self._check_stream()
        if self.state != "preview" or self.failure:
            raise UserError(self.env._("Look at the preview of a readable file first."))
        file = self.env["psa.file"]._upload(
            self.stream_id, self.name, self.content,
            self.row_count + 1 if self.is_partial else self.row_count)
        return {
            "type": "ir.actions.act_window", "res_model": "psa.file", "res_id": file.id, "views": [(False, "form")],
        }

    def _check_stream(self):
        self.ensure_one()
        if not self.stream_id or self.stream_id.connection_id != self.connection_id:
            raise UserError(self.env._("Choose what the file holds."))
        self.stream_id.check_access("read")

    def _reopen(self):
        return {
            "type": "ir.actions.act_window", "res_model": self._name, "res_id": self.id, "views": [(False, "form")],
            "target": "new", "name": self.env._("Upload a File"),
        }

    def _bytes(self):
        return base64.b64decode(self.with_context(bin_size=False).content)


class Preview:
    """What a file would change, found without writing."""

    def __init__(self, wizard):
        self.env = wizard.env
        self.file_name = wizard.name
        self.stream = wizard.stream_id.sudo()
        self.connection = self.stream.connection_id
        self.reader = RowReader(self.stream)
        self.type_name = self.reader.spec.canonical_type
        provider = self.stream._declaration(self.stream.id)[0]
        self.source = provider.read_file(self.reader.spec, wizard.name, io.BytesIO(wizard._bytes()), "9")
        self.kinds = Counter()
        self.shown = []
        self.problems = []  # sentences
        self.wrong = set()  # labels of the rows that they are about
        self.amounts, self.by_label = Counter(), {}
        self.seen = {}  # {external id: label of its last row}
        self.named = {}  # {("reference", type, object type, id) or ("code", domain, value): [labels of its rows]}

    def values(self):
        """Return the wizard's fields."""
        records = itertools.islice(self.source, PREVIEW_ROWS)
        while chunk := list(itertools.islice(records, CHUNK)):
            for record, kind in self.env["psa.file"].sudo()._compare(self.stream, chunk):
                self._look_at(record, kind)
        partial = next(self.source, None) is not None
        self._look_up()
        count = sum(self.kinds.values())
        return {
            "row_count": count, "is_partial": partial, "failure": self.source.failure or False,
            "new_count": self.kinds["new"], "changed_count": self.kinds["changed"],
            "unchanged_count": self.kinds["unchanged"], "problem_count": len(self.wrong),
            "amount": self._money(self.amounts), "problem_amount": self._money(self._problem_amounts()),
            "rows_html": self._rows_html(), "problems_html": self._problems_html(),
        }

    def _look_at(self, record, kind):
        self.kinds[kind] += 1
        row = self.reader.look_at(record)
        if row.problem:
            self._complain([row.label], row.problem)
        if earlier := self.seen.get(record.external_id):
            self._complain([row.label], self.env._(
                "%(row)s: the id “%(id)s” stands in %(earlier)s too; the later row counts.", row=row.label,
                id=record.external_id, earlier=earlier))
        self.seen[record.external_id] = row.label
        amounts = list(row.amounts(self.type_name))
        for amount, currency in amounts:
            self.amounts[currency or self.connection.company_id.currency_id.name] += amount
        if amounts:
            self.by_label[row.label] = amounts
        for values in row.values:
            for refers, reference in references(values, self.type_name):
                key = ("reference", refers, reference.object_type, reference.external_id)
                self.named.setdefault(key, []).append(row.label)
            for domain, code in codes(values, self.type_name):
                self.named.setdefault(("code", domain, code), []).append(row.label)
        if len(self.shown) < SHOWN_ROWS:
            self.shown.append((row, kind))

    # === WHAT ROWS NAME === #
    def _look_up(self):
        """Find what rows name and Odoo does not know: the inbox would hold them."""
        labels = dict(DOMAINS)
        for key in self._unknown_references():
            _kind, refers, _object_type, external_id = key
            self._complain(self.named[key], self.env._(
                "%(rows)s: the %(label)s “%(key)s” does not stand for exactly one record in Odoo.",
                rows=self._rows(key), label=canonical.TYPES[refers].label.lower(), key=external_id))
        company_id = self.connection.company_id.id
        wanted = {(key[1], key[2], company_id) for key in self.named if key[0] == "code"}
        known = self.env["psa.value.map"].sudo()._lookup(self.connection, wanted)
        for domain, code, _company_id in sorted(wanted - known.keys()):
            key = ("code", domain, code)
            self._complain(self.named[key], self.env._(
                "%(rows)s: nobody has said yet what the %(domain)s “%(value)s” means.", rows=self._rows(key),
                domain=labels.get(domain, domain).lower(), value=code))

    def _unknown_references(self):
        wanted = {key[2:]: key for key in self.named if key[0] == "reference"}
        found = set(self.env["psa.binding"].sudo()._resolve(self.connection, set(wanted)))
        natural, by_type = self.connection._natural_keys(), {}
        for object_type, external_id in wanted.keys() - found:
            by_type.setdefault(object_type, set()).add(external_id)
        for object_type, keys in by_type.items():
            if object_type in natural:
                handler = self.env["psa.apply"].sudo()._handler(natural[object_type])
                found |= {(object_type, key) for key in handler._recognise(self.connection, keys)}
            else:
                heard = self.env["psa.message"].sudo()._last_heard(
                    self.connection, [(object_type, key) for key in keys])
                found |= {reference for reference, state in heard.items() if state == "open"}
        return [wanted[reference] for reference in sorted(wanted.keys() - found)]

    def _rows(self, key):
        """Return the rows that name ``key``, as people read it."""
        first, *others = dict.fromkeys(self.named[key])
        if not others:
            return first
        return self.env._("%(row)s and %(count)s more rows", row=first, count=len(others))

    def _complain(self, labels, sentence):
        self.problems.append(sentence)
        self.wrong.update(labels)

    # === MONEY === #
    def _problem_amounts(self):
        """Money of the rows with errors; what cannot be read has none."""
        found = Counter()
        for label in self.wrong:
            for amount, currency in self.by_label.get(label, ()):
                found[currency or self.connection.company_id.currency_id.name] += amount
        return found

    @staticmethod
    def _money(amounts):
        return "; ".join(f"{amount:,.2f} {currency}" for currency, amount in sorted(amounts.items())) or False

    # === SHOWN === #
    def _rows_html(self):
        rows = [(row, kind, row.values[0]) for row, kind in self.shown if row.values]
        if not rows:
            return False
        names = [name for name in self.reader.fields if any(values.get(name) is not None for *_rest, values in rows)]
        kinds = {"new": self.env._("new"), "changed": self.env._("changed"), "unchanged": self.env._("unchanged")}
        head = _cells("th", ["", *(self._head(name) for name in names), ""])
        body = Markup().join(Markup("<tr>%s</tr>") % _cells("td", [
            row.label.removeprefix(f"{self.file_name}, "), *(self._shown(values.get(name)) for name in names),
            kinds[kind]]) for row, kind, values in rows)
        return _table(head, body)

    def _head(self, name):
        """Return a column's title: what it refers to by its usual name, an employee and not a resource."""
        refers = canonical.TYPES[self.type_name].fields[name].refers
        return canonical.TYPES[refers].label if refers else field_label(name)

    def _problems_html(self):
        if not self.problems:
            return False
        items = [Markup("<li>%s</li>") % text for text in self.problems[:SHOWN_PROBLEMS]]
        if len(self.problems) > SHOWN_PROBLEMS:
            items.append(Markup("<li>%s</li>") % self.env._("and %s more", len(self.problems) - SHOWN_PROBLEMS))
        return Markup("<ul class='mb-0'>%s</ul>") % Markup().join(items)

    def _shown(self, value):
        value = plain(value)
        if isinstance(value, dict):
            return value["external_id"]
        if isinstance(value, bool):
            return self.env._("yes") if value else self.env._("no")
        return "" if value is None else value


def _cells(tag, values):
    return Markup().join(Markup("<{0}>%s</{0}>").format(tag) % value for value in values)


def _table(head, body):
    return Markup("<table class='table table-sm small'><thead><tr>%s</tr></thead><tbody>%s</tbody></table>") % (
        head, body)
