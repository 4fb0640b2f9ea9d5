import time
from collections import Counter

from odoo import fields, models
from odoo.tools import SQL

from ...connectors import jsontext
from ...connectors.canonical import CanonicalError
from ...connectors.errors import ConnectorError
from ..sync.mapper import Mapper, field_label, plain
from ..sync.personal import MASK
from .rehearsal import rehearse

READ_AT_ONCE = 1000
SAMPLES = 3
PROBLEMS_SHOWN = 50


class _Difference:
    """What two versions of a field map make of the same records."""

    def __init__(self, personal):
        """:param personal: canonical fields (set) whose values are kept masked"""
        self.personal = personal
        self.records = self.broken = self.mended = self.changed = 0
        self.message_ids = []
        self.fields = {}
        self.problems = Counter()

    def add(self, message_id, name, before, after, problem):
        """:param before, after: list of canonical records, None when they cannot be read"""
        self.records += 1
        if after is None:
            self.problems[problem] += 1
        if before == after:
            return
        self.message_ids.append(message_id)
        if after is None:
            self.broken += 1
        elif before is None:
            self.mended += 1
        else:
            self.changed += 1
            self._compare(name, before, after)

    def _compare(self, name, before, after):
        seen = set()
        for old, new in zip(before, after, strict=False):
            for field in old.keys() | new.keys():
                if old.get(field) != new.get(field) and field not in seen:
                    seen.add(field)
                    change = self.fields.setdefault(field, {"count": 0, "samples": []})
                    change["count"] += 1
                    if len(change["samples"]) < SAMPLES:
                        change["samples"].append([name, *(
                            MASK if field in self.personal and value else _text(value)
                            for value in (old.get(field), new.get(field)))])


def _text(value):
    if value is None:
        return ""
    value = plain(value)
    if isinstance(value, dict):
        return " ".join(str(part) for part in value.values())
    return (value if isinstance(value, str) else jsontext.dumps(value))[:80]


class PsaMappingSimulation(models.Model):
    """The run. First both versions read all records; what differs is then applied by the real handlers, in a savepoint
    that is rolled back, and what contracts are worth is compared with what they are worth now.
    """

    _inherit = "psa.mapping.simulation"

    def _run(self):
        self.ensure_one()
        began = time.monotonic()
        baseline = self.stream_id.mapping_id
        message_ids, left_out = self._messages()
        difference = self._compare(baseline, message_ids)
        # The version in force is compared with the books: what a replay would change.
        again = message_ids if baseline == self.mapping_id else difference.message_ids
        lines, stopped = self._rehearse(again) if again else ([], Counter())
        for text, count in stopped.items():
            difference.problems[text] += count
        self.write({
            "state": "done", "run_by_id": self.env.uid, "run_at": fields.Datetime.now(), "baseline_id": baseline.id,
            "record_count": difference.records, "left_out_count": left_out, "changed_count": difference.changed,
            "broken_count": difference.broken, "mended_count": difference.mended,
            "stopped_count": stopped.total(), "field_changes": difference.fields or False,
            "problems": [list(pair) for pair in difference.problems.most_common(PROBLEMS_SHOWN)] or False,
            "line_ids": [fields.Command.create(values) for values in lines],
            "seconds": round(time.monotonic() - began, 1),
        })

    # === WHICH MESSAGES === #
    def _messages(self):
        """Return ``(ids, number left out)``: of each record the newest version of the period, the newest records."""
        self.env["psa.message"].flush_model(["payload", "operation", "origin", "received_at", "stream_id"])
        ids = [message_id for (message_id,) in self.env.execute_query(SQL(
            """
            SELECT max(id) FROM psa_message
             WHERE stream_id = %s AND direction = 'in' AND operation = 'upsert' AND origin <> 'replay'
               AND received_at BETWEEN %s AND %s AND COALESCE(payload, '') <> ''
          GROUP BY object_type, external_id ORDER BY max(id) DESC
            """, self.stream_id.id, self.date_from, self.date_to))]
        return sorted(ids[:self.message_limit]), max(len(ids) - self.message_limit, 0)

    # === READ BY BOTH VERSIONS === #
    def _compare(self, baseline, message_ids):
        provider, spec = self.stream_id._declaration(self.stream_id.id)
        old = baseline._mapper() if baseline else None
        new = Mapper(self.mapping_id.canonical_type, self.mapping_id._rules())
        difference = _Difference({
            line.canonical_field.partition(".")[0] for line in (baseline | self.mapping_id).line_ids if line.personal})
        for start in range(0, len(message_ids), READ_AT_ONCE):
            for message_id, external_id, payload in self.env.execute_query(SQL(
                    "SELECT id, external_id, payload FROM psa_message WHERE id = ANY(%s) ORDER BY id",
                    message_ids[start:start + READ_AT_ONCE])):
                try:
                    parts = provider.split(spec, jsontext.loads(payload), external_id)
                except (ConnectorError, ValueError, TypeError, KeyError, AttributeError):
                    continue  # unreadable by any version: its message says so
                before, _problem = self._read(old, parts)
                after, problem = self._read(new, parts)
                difference.add(message_id, external_id, before, after, problem)
        return difference

    def _read(self, mapper, parts):
        """Return ``(list of canonical records, "")``, or ``(None, sentence)`` when they cannot be used."""
        if mapper is None:
            return None, ""
        try:
            return [mapper.map(part.raw) for part in parts], ""
        except CanonicalError as error:
            return None, self.env._("“%(field)s” %(problem)s.", field=field_label(error.field_name),
                                    problem=error.problem.split("”", 1)[-1].strip())

    # === APPLY AND TAKE BACK === #
    def _rehearse(self, message_ids):
        """Apply these messages with this version and take it back.

        :return: ``(create values of the lines, Counter of sentences of what would be held)``
        """
        # A copy has an id of its own, which nothing remembers once it is gone.
        return rehearse(self.env, self.stream_id.connection_id, message_ids,
                        lambda: {self.stream_id.id: self.mapping_id.copy().id})
