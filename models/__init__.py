from . import sync
from . import desk
from . import apply
from . import billing
from . import odoo
from . import amendments
from . import periods
from . import insight
