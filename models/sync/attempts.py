"""How often and how soon a message goes again after a transient failure."""

import random

MAX_ATTEMPTS = 12  # with the waits below: about half a day, then it is a dead letter
FIRST_WAIT = 15  # seconds
LONGEST_WAIT = 7200


def wait_before(attempt, retry_after=None):
    """Return seconds to wait after ``attempt`` failures: doubling, with jitter so that they do not come back at once.

    :param retry_after: what the vendor asked for; it is the least
    """
    wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(max(attempt - 1, 0), 16)) * random.uniform(0.7, 1.3)
    return max(wait, retry_after or 0)
