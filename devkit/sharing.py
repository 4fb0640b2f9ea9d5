"""Share test classes out to processes so that they end at about the same time."""

UNKNOWN_SECONDS = 3.0


def share_out(groups, durations, count):
    """Longest first, each to the share with the least work so far.

    :param groups: names of test classes, in any order
    :param durations: {name: seconds lately}
    :param count: number of shares
    :return: list of `count` sets; the same for every process that asks with the same arguments
    """
    shares = [set() for _ in range(count)]
    loads = [0.0] * count
    for name in sorted(groups, key=lambda group: (-durations.get(group, UNKNOWN_SECONDS), group)):
        lightest = loads.index(min(loads))
        shares[lightest].add(name)
        loads[lightest] += durations.get(name, UNKNOWN_SECONDS)
    return shares
