"""The owners endpoint."""

from .errors import invalid, not_found
from .reading import flag, known_query, next_page, whole_number

_MAX_PAGE = 500


class Owners:
    """:param rows: bodies as the API answers them, by id"""

    def __init__(self, rows):
        self.rows = rows

    def list(self, query):
        known_query(query, "email", "limit", "after", "archived")
        limit, after = whole_number(query, "limit", 100, _MAX_PAGE), query.get("after", "0")
        if not after.isdecimal():
            raise invalid("after is not a cursor of this list", "INVALID_AFTER")
        found = [row for key, row in sorted(self.rows.items()) if key >= int(after)
                 and row["archived"] == flag(query, "archived") and query.get("email", row["email"]) == row["email"]]
        following = found[limit]["id"] if len(found) > limit else ""
        return {"results": found[:limit], **next_page(following)}

    def single(self, owner_id, query):
        known_query(query, "idProperty", "archived")
        name = query.get("idProperty", "id")
        if name not in ("id", "userId"):
            raise invalid("idProperty must be id or userId")
        for row in self.rows.values():
            if str(row[name]) == owner_id and row["archived"] == flag(query, "archived"):
                return row
        raise not_found("owner", owner_id)
