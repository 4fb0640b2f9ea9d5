from . import proposal_page
from . import stream_freshness
from . import exception_banner
from . import record_pages
from . import dashboard
from . import holder_rights
from . import drill
