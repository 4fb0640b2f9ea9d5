"""Short transactions beside the caller's own.

Rate budget, breaker, tokens and counters are shared by all workers and must be committed although the caller may roll
back. They live in tables of their own, so that a second cursor can never wait for a row that the first one has locked.
"""

import contextlib

from psycopg2.extensions import ISOLATION_LEVEL_READ_COMMITTED

from odoo import api
from odoo.sql_db import Cursor


@contextlib.contextmanager
def own_env(env):
    """Yield ``env`` on a cursor of its own that is committed at the end, or rolled back when the block raises.

    READ COMMITTED, so that a worker that waited for the row sees what the other one wrote, instead of failing to
    serialize. (The cursors of Odoo's tests are savepoints of one transaction and keep its isolation.)
    """
    with env.registry.cursor() as cr:
        if isinstance(cr, Cursor):
            cr.connection.set_isolation_level(ISOLATION_LEVEL_READ_COMMITTED)
        yield api.Environment(cr, env.uid, dict(env.context), env.su)
