from . import entry
from . import rate
from . import rate_find
from . import entry_sync
from . import entry_change
from . import allocation
from . import proposal
from . import proposal_line
