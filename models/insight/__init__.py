from . import proposal_page
from . import message_page
from . import stream_freshness
