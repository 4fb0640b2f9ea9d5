from . import rate
from . import entry
from . import entry_sync
from . import allocation
from . import proposal
from . import proposal_line
