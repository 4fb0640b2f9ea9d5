"""Short transactions beside the caller's own.

Rate budget, breaker, tokens and counters are shared by all workers and must be committed although the caller may roll
back. They live in tables of their own, so that a second cursor does not wait for a row that the first one has locked;
the lock time-out turns a mistake there into an error instead of a thread that waits for itself.
"""

import contextlib

from psycopg2.extensions import ISOLATION_LEVEL_READ_COMMITTED

from odoo import api
from odoo.sql_db import Cursor
from odoo.tools import SQL


@contextlib.contextmanager
def own_env(env, lock_timeout=10, durable=True):
    """Yield ``env`` on a cursor of its own that is committed at the end, or rolled back when the block raises.

    READ COMMITTED, so that a worker that waited for the row sees what the other one wrote, instead of failing to
    serialize. (The cursors of Odoo's tests are savepoints of one transaction and keep its isolation.)

    :param lock_timeout: seconds to wait for a row
    :param durable: False: do not wait for the disk; a crash of the server may forget the change
    """
    with env.registry.cursor() as cr:
        if isinstance(cr, Cursor):
            cr.connection.set_isolation_level(ISOLATION_LEVEL_READ_COMMITTED)
            cr.execute(SQL("SELECT set_config('lock_timeout', %s, true), set_config('synchronous_commit', %s, true)",
                           f"{lock_timeout}s", "on" if durable else "off"))
        yield api.Environment(cr, env.uid, dict(env.context), env.su)
