"""Share test classes out to processes: whoever is free takes the longest class that nobody has taken.

Shares fixed beforehand end together only when the machine is as quiet as it was when the durations were measured.
Taking turns evens out by itself whatever else runs, and a new class needs no measured duration to find its place.
"""

import hashlib
import os
import shutil
from pathlib import Path

SECONDS_PER_TEST = 0.5


def longest_first(sizes, durations):
    """Names of groups in the order in which to run them.

    :param sizes: {name: number of tests}
    :param durations: {name: seconds lately}; a group without gets a guess by its size
    """
    return sorted(sizes, key=lambda name: (-durations.get(name, SECONDS_PER_TEST * sizes[name]), name))


class Claims:
    """A folder in which several processes agree on who runs what: the kernel lets one of them make each file."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def reset(self):
        """Forget an earlier run; before the processes start."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def take(self, name):
        """Whether this process is the one that runs the group."""
        try:
            os.close(os.open(self.folder / hashlib.sha256(name.encode()).hexdigest(), os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True
