"""One batch of claimed messages, from raw text to Odoo records and final states, in one transaction.

The stages, in order: ``order`` (newest version of each record), ``read`` (parse, split, map), ``binding`` (load and
lock, stale, unchanged, deleted parts), ``applying`` (parents, codes, handlers, bisection), ``finish`` (states,
exceptions, wake-ups). Each works on the whole batch with a fixed number of queries.
"""

from .applying import RaceLost
from .batch import Batch

__all__ = ["Batch", "RaceLost"]
