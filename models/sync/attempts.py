"""How soon something goes again after a failure."""

import random


def pause(attempt, base, limit, retry_after=None):
    """Return the seconds until the next attempt: exponential with full jitter, at least what the vendor asked for.

    :param attempt: number of attempts that have failed
    """
    longest = min(limit, base * 2 ** min(attempt - 1, 30))
    return max(random.uniform(1, max(longest, 1)), retry_after or 0)
