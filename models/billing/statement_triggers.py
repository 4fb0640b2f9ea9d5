"""Sums that follow their rows inside the database, whoever writes the rows: one update for any number of them.

The sums are exact (numeric columns) and see every writer, so a CHECK on them is a law that no code can pass by.
"""

from odoo.tools import SQL

_FUNCTION = """
    CREATE OR REPLACE FUNCTION %(name)s() RETURNS trigger LANGUAGE plpgsql AS $body$
    %(declare)s
    BEGIN
        %(body)s
        RETURN NULL;
    END $body$;
    DROP TRIGGER IF EXISTS %(name)s ON %(table)s;
    CREATE TRIGGER %(name)s AFTER %(event)s ON %(table)s REFERENCING %(tables)s
        FOR EACH STATEMENT EXECUTE FUNCTION %(name)s();
"""


def sums_follow_rows(cr, table, new, old, body, declare=None):
    """Make the triggers of ``table`` for inserted, updated and deleted rows.

    :param table: name of the table whose rows are added up
    :param new: SQL of what rows add, from the transition table ``new_rows``
    :param old: SQL of what rows take away (negative), from the transition table ``old_rows``
    :param body: function that gets the SQL of all that changes and returns the PL/pgSQL statements that update the sums
    :param declare: SQL of the PL/pgSQL declarations of the body
    """
    for event, tables, rows in (
        (SQL("INSERT"), SQL("NEW TABLE AS new_rows"), new),
        (SQL("UPDATE"), SQL("NEW TABLE AS new_rows OLD TABLE AS old_rows"), SQL("%s UNION ALL %s", new, old)),
        (SQL("DELETE"), SQL("OLD TABLE AS old_rows"), old),
    ):
        cr.execute(SQL(
            _FUNCTION, name=SQL.identifier(f"{table}_{event.code.lower()}"), table=SQL.identifier(table),
            event=event, tables=tables, declare=declare or SQL(""), body=body(rows),
        ))
