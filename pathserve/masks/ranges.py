"""Many runs of whole numbers in one array: what loops over rows, columns and edges become in numpy."""

import numpy as np

from pathserve.masks.axis import Integers


def ranges(first: Integers, count: Integers) -> Integers:
    """Put ``first[k], first[k] + 1, ...`` (``count[k]`` numbers) of all k one after the other.

    Parameters
    ----------
    first, count
        int64 arrays (n,); counts of 0 and more.

    Returns
    -------
    int64 array of as many numbers as the counts add up to.
    """
    numbers: Integers = np.repeat(first - (np.cumsum(count) - count), count)
    numbers += np.arange(len(numbers))
    return numbers
