"""From the stored text to canonical records. Nothing here touches a business record."""

from ....connectors import canonical, jsontext
from ....connectors.canonical import CanonicalError, Reference
from ....connectors.errors import ConnectorError, DataError, PoisonError
from ..item import DELETE, MERGE, Item, Outcome
from ..mapper import field_label, fingerprint
from ..overlay import overlaid


class _Source:
    """A stream of the batch with all that is needed to read its messages."""

    def __init__(self, stream, mapping_id):
        self.stream = stream
        self.provider, self.spec = stream._declaration(stream.id)
        self.mapping_id = mapping_id
        self.mapper = stream.env["psa.mapping"]._frozen_mapper(mapping_id) if mapping_id else None
        self.sequence = canonical.TYPES[self.spec.canonical_type].sequence


def read(batch):
    """Give every open claim its items, or an outcome when it cannot be read."""
    sources = _sources(batch)
    for claim in batch.open_claims():
        source = batch.streams[claim.stream] = sources[claim.stream]
        claim.sequence = source.sequence
        claim.mapping_id = source.mapping_id
        try:
            _READERS.get(claim.operation, _read_upsert)(batch, claim, source)
        except CanonicalError as error:
            _hold_invalid(batch, claim, error)
        except DataError as error:
            _hold(batch, claim, str(error), error.code)
        except (PoisonError, ConnectorError) as error:
            _poison(batch, claim, error)
        except Exception as error:  # whatever a splitter meets in a payload that is not what it should be
            _poison(batch, claim, error)


def _sources(batch):
    streams = batch.env["psa.stream"].browse({claim.stream for claim in batch.claims})
    if unknown := [stream_id for stream_id in streams.ids if stream_id not in batch.mappings]:
        active = batch.env["psa.mapping"]._active_by_stream(unknown)
        batch.mappings.update((stream_id, active.get(stream_id)) for stream_id in unknown)
    return {stream.id: _Source(stream, batch.mappings[stream.id]) for stream in streams}


# === ONE MESSAGE === #

def _read_upsert(batch, claim, source):
    raw = overlaid(jsontext.loads(claim.payload), claim.overlay)
    claim.described = source.provider.describe(raw)
    if source.mapper is None:
        raise DataError(batch.env._("No field map is in force for %s.", source.stream.name))
    for part in source.provider.split(source.spec, raw, claim.external_id):
        whole = part.object_type == claim.object_type and part.external_id == claim.external_id
        item = Item(claim, part.object_type, part.external_id, part.canonical_type, None,
                    part_of=None if whole else claim.external_id)
        item.values = source.mapper.map(part.raw)
        item.owners = source.mapper.owners
        item.told = source.mapper.names
        item.fingerprint = fingerprint(item.values)
        claim.items.append(item)


def _read_delete(batch, claim, source):
    """A deletion is of the record; the parts that it has in Odoo are added when the bindings are known."""
    if not source.spec.parts:
        claim.items.append(Item(
            claim, claim.object_type, claim.external_id, source.spec.canonical_type, {}, operation=DELETE))


def _read_merge(batch, claim, source):
    winner = jsontext.loads(claim.payload).get("winner")
    if not winner:
        raise PoisonError("a merge without a winner")
    claim.items.append(Item(
        claim, claim.object_type, claim.external_id, source.spec.canonical_type,
        {"winner": Reference(claim.object_type, str(winner))}, operation=MERGE))


_READERS = {DELETE: _read_delete, MERGE: _read_merge}


# === WHAT CANNOT BE READ === #

def _hold_invalid(batch, claim, error):
    _hold(batch, claim, batch.env._(
        "%(record)s cannot be used: “%(field)s” %(problem)s.",
        record=claim.name, field=field_label(error.field_name), problem=error.problem),
        f"{error.field_name}")


def _hold(batch, claim, text, code):
    claim.items = []
    claim.outcome = Outcome("held", cause="invalid_data", text=text, key=claim.key, code=code)


def _poison(batch, claim, error):
    claim.items = []
    claim.outcome = Outcome(
        "dead", cause="poison", key=claim.key, code=type(error).__name__, detail=f"{type(error).__name__}: {error}",
        text=batch.env._(
            "%(record)s from %(connection)s cannot be read: its content is not what the system promises.",
            record=claim.name, connection=batch.connection.name))
