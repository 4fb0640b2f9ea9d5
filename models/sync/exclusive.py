"""Work that one worker does at a time although it commits in between."""

import contextlib

from odoo.tools import SQL


@contextlib.contextmanager
def exclusive(cr, purpose, number):
    """Yield whether this worker may do ``purpose`` for record ``number`` now.

    The lock belongs to the database session: commits keep it, and a killed worker leaves nothing behind. No row is
    locked, so nobody waits while the vendor is asked.
    """
    cr.execute(SQL("SELECT pg_try_advisory_lock(hashtext(%s), %s)", f"psa_hub.{purpose}", number))
    mine = cr.fetchone()[0]
    try:
        yield mine
    except BaseException:
        cr.rollback()  # a failed transaction could not release it
        raise
    finally:
        if mine:
            cr.execute(SQL("SELECT pg_advisory_unlock(hashtext(%s), %s)", f"psa_hub.{purpose}", number))
