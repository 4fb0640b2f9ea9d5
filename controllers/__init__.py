from . import monitoring
from . import oauth
from . import webhook
