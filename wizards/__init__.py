from . import psa_billing_run
from . import psa_exception_waive
from . import psa_exception_link
from . import psa_replay
from . import account_move_reversal
from . import sale_advance_payment_inv
from . import psa_retainer_add
from . import psa_retainer_offer
