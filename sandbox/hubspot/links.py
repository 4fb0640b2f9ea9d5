"""Associations between records: who is linked with whom, and by which types."""

from bisect import insort

from .objects import KINDS

#: ``{(from, to): (type id of the plain link, type id of the primary one or None)}``
TYPES = {
    ("deals", "contacts"): (3, None), ("contacts", "deals"): (4, None),
    ("deals", "companies"): (341, 5), ("companies", "deals"): (342, 6),
    ("deals", "line_items"): (19, None), ("line_items", "deals"): (20, None),
    ("contacts", "companies"): (279, 1), ("companies", "contacts"): (280, 2),
}


class Links:
    """:ivar ends: ``{(kind, id, other kind): sorted [other id]}``
    :ivar primary: ``{(kind, id, "companies"): id of the main company}``
    """

    def __init__(self):
        self.ends, self.primary = {}, {}

    def add(self, kind, record_id, other_kind, other_id, primary=True):
        """Link two records, both ways; ``primary``: the company is the record's main one."""
        for a, a_id, b, b_id in ((kind, record_id, other_kind, other_id), (other_kind, other_id, kind, record_id)):
            ends = self.ends.setdefault((a, a_id, b), [])
            if b_id not in ends:
                insort(ends, b_id)
            if primary and b == "companies" and TYPES[a, b][1]:
                self.primary[a, a_id, b] = b_id

    def of(self, kind, record_id, other_kind):
        return self.ends.get((kind, record_id, other_kind), [])

    def types(self, kind, record_id, other_kind, other_id):
        """Return the ``associationTypes`` of a link, the primary one first."""
        plain, primary = TYPES[kind, other_kind]
        rows = [{"category": "HUBSPOT_DEFINED", "typeId": plain, "label": None}]
        if primary and other_id == self.primary.get((kind, record_id, other_kind)) \
                or record_id == self.primary.get((other_kind, other_id, kind)):
            rows.insert(0, {"category": "HUBSPOT_DEFINED", "typeId": primary, "label": "Primary"})
        return rows

    def names(self, kind, record_id, other_kind, other_id):
        """Return the types of a link as records name them."""
        name = f"{KINDS[kind].single}_to_{KINDS[other_kind].single}"
        if TYPES[kind, other_kind][1] is None:
            return [name]
        primary = len(self.types(kind, record_id, other_kind, other_id)) > 1
        return [name, f"{name}_unlabeled"] if primary else [f"{name}_unlabeled"]

    def move(self, kind, old_id, new_id):
        """Give the links of a merged record to the one that is left."""
        for other in KINDS:
            primary = self.primary.pop((kind, old_id, other), None)
            for other_id in self.ends.pop((kind, old_id, other), []):
                self.ends[other, other_id, kind].remove(old_id)
                main = other_id == primary or self.primary.get((other, other_id, kind)) == old_id
                self.add(kind, new_id, other, other_id, main)
