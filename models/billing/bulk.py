"""Inserting many rows of the ledger in one statement.

The ORM's own ``create`` costs five times as much, for work that these tables do not need: nothing is computed, tracked
or mailed, and all amounts are rounded already. Use it for the ledger's own models only.
"""

import json

from odoo.tools import SQL


def insert_rows(model, vals_list, returning=("id",)):
    """Insert ``vals_list`` into the table of ``model``.

    :param vals_list: dicts of the same stored columns, database-ready (ids, numbers rounded, dates, JSON values);
        ``False`` means NULL except for booleans
    :param returning: columns to give back
    :return: list of tuples, in no particular order
    """
    if not vals_list:
        return []
    columns = list(vals_list[0])
    booleans = {name for name in columns if model._fields[name].type == "boolean"}
    rows = json.dumps([
        {
            name: None if values[name] is False and name not in booleans else values[name]
            for name in columns
        }
        for values in vals_list
    ], default=str)
    model.flush_model()
    names = SQL(", ").join(SQL.identifier(name) for name in columns)
    return model.env.execute_query(SQL(
        """
        INSERT INTO %(table)s (%(names)s, create_uid, write_uid, create_date, write_date)
        SELECT %(names)s, %(uid)s, %(uid)s, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC'
          FROM json_populate_recordset(NULL::%(table)s, %(rows)s::json)
        RETURNING %(returning)s
        """,
        table=SQL.identifier(model._table), names=names, uid=model.env.uid, rows=rows,
        returning=SQL(", ").join(SQL.identifier(name) for name in returning),
    ))
