# SPDX-License-Identifier: MIT
"""Finds the name that was meant by a misspelled one. It is loaded only if there is one."""


def nearest(name, known):
    """The entry of `known` that is nearest to `name` (Levenshtein's distance), or None if none is near."""
    best = None
    fewest = min(3, len(name))
    for key in known:
        row = list(range(len(key) + 1))
        for i, c in enumerate(name):
            last = row[0]
            row[0] = i + 1
            for j, d in enumerate(key):
                last, row[j + 1] = row[j + 1], min(row[j] + 1, row[j + 1] + 1, last + (c != d))
        if row[-1] < fewest:
            fewest = row[-1]
            best = key
    return best
