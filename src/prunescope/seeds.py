"""Seeds made of several numbers. torch's CPU generator reads 32 bits of a seed: shifting numbers together would lose some."""

import numpy as np


def mix(*numbers: int) -> int:
    """A 32-bit seed that depends on every given non-negative number and their order."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
