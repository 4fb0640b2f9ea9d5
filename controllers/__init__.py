from . import evidence
from . import monitoring
from . import oauth
from . import webhook
