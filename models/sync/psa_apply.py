from odoo import api, models

from ...connectors import canonical


class PsaApplyError(Exception):
    """A handler cannot apply an item.

    :param text: one plain sentence for people
    :param cause: code of the exception cause
    :param item: the item at fault when it is known; without it the engine looks for it by bisection
    """

    def __init__(self, text, cause="apply_error", item=None):
        super().__init__(text)
        self.cause = cause
        self.item = item


class PsaApply(models.AbstractModel):
    """From canonical records to Odoo records: base of the handlers ``psa.apply.<canonical type>``.

    All methods get a list of :class:`~..item.Item` and work on it as a set. They run as the connection's user with
    superuser rights, in a savepoint: after an error all that they did is undone and they are called again for halves of
    the items.
    """

    _name = "psa.apply"
    _description = "Apply Canonical Records"

    #: its records are booked in the ledger at once: in shadow mode they wait
    _books = False
    #: ``{Odoo field: canonical field}`` where the names differ; for :meth:`_owned`.
    _canonical_names = {}

    @api.model
    def _handler(self, canonical_type):
        """Return the handler of a canonical type."""
        return self.env[f"psa.apply.{canonical_type}"]

    def _prepare(self, items):
        """Check ``items`` and hold, skip or let wait those that cannot be applied now. Nothing is written here."""

    def _apply(self, items):
        """Create and change the Odoo records of ``items`` (all of them still ok) and call ``item.done(record)``.

        :raise PsaApplyError: an item cannot be applied
        """
        raise NotImplementedError  # each canonical type has its own handler; there is no sensible default

    def _delete(self, items):
        """The source deleted the records of ``items`` (all bound). By default the Odoo record stays as it is."""
        for item in items:
            item.done(item.record)

    def _merge(self, items):
        """The source merged the records of ``items`` into ``item.parents["winner"]``.

        By default only the binding follows: whoever refers to the loser means the winner.
        """
        for item in items:
            item.done(item.parents["winner"])

    @api.model
    def _recognise(self, connection, keys):
        """Look up records by the keys that people use for them, for sources that name records by such keys.

        :param connection: ``psa.connection``
        :param keys: set of texts, as the source wrote them
        :return: ``{key: record}`` of those that name exactly one record; by default none
        """
        return {}

    def _risk(self, items):
        """Say with ``item.risk(amount, currency)`` how much money waits with each of ``items``. By default none."""

    def _contract(self, item):
        """Return the ``sale.order`` whose invoice waits for ``item``, as far as its parents tell; None: none."""
        for parent in item.parents.values():
            if parent._name == "project.project" and parent.psa_contract_id:
                return parent.psa_contract_id
            if parent._name == "sale.order":
                return parent
        return None

    @api.model
    def _catch_up(self):
        """Bring up to date what handlers left behind in their batches; workers call this at the end of a run.

        It commits, and must do with conflicts. What is left behind then waits for the next run.

        :return: number of records
        """
        return 0

    def _owned(self, item, values):
        """Return those of ``values`` (Odoo fields of the item's existing record) that the source may write.

        A field that Odoo owns is set once, with the record. One that the source owns until a person edits it is written
        while it holds what the source wrote last. Of a record that another system owns only empty fields are filled.
        What the field map has no rule for stays as it is: the source says nothing of it.
        """
        if not item.record:
            return values
        if item.told is not None:
            values = {name: value for name, value in values.items() if self._is_told(item, name)}
        if not item.owners and item.writes == "source":
            return values
        return {name: value for name, value in values.items() if self._may_write(item, name)}

    def _is_told(self, item, name):
        """The source says something of this Odoo field, if only that it is empty; or the handler makes it up."""
        canonical_name = self._canonical_names.get(name, name)
        return canonical_name in item.told or canonical_name not in canonical.TYPES[item.canonical_type].fields

    def _may_write(self, item, name):
        if item.writes != "source" and not (item.writes == "fill" and self._is_empty(item.record, name)):
            return False
        owner = item.owners.get(self._canonical_names.get(name, name), "source")
        if owner == "source_until_edit":
            applied = item.binding.applied if item.binding else None
            return not applied or name not in applied or applied[name] == self._stored(item.record, name)
        return owner == "source"

    def _is_empty(self, record, name):
        """A field without a value; no is a value of a yes-or-no field."""
        return not record[name] and record._fields[name].type != "boolean"

    def _applied(self, item):
        """Return ``{Odoo field: JSON-ready value}`` of the fields whose edits by people must be noticed."""
        if not item.record:
            return None
        odoo_names = {canonical: odoo for odoo, canonical in self._canonical_names.items()}
        names = [odoo_names.get(field, field) for field, owner in item.owners.items() if owner == "source_until_edit"]
        return {name: self._stored(item.record, name) for name in names if name in item.record._fields} or None

    def _stored(self, record, name):
        """Return a field's value as JSON gives it back."""
        field = record._fields[name]
        value = field.convert_to_read(record[name], record, use_display_name=False)
        return value.isoformat() if hasattr(value, "isoformat") else value
