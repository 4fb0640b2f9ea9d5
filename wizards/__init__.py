from . import psa_reason
from . import psa_late_decide
from . import psa_exception_waive
from . import psa_exception_link
from . import psa_replay
from . import account_move_reversal
from . import sale_advance_payment_inv
