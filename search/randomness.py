"""Counted randomness: every draw is a function of (run seed, purpose, candidate number).

A replay needs no saved generator state, and what one candidate draws cannot shift the draws of
the next.
"""

import zlib

import numpy as np


def generator(seed: int, purpose: str, number: int) -> np.random.Generator:
    """Return the generator that belongs to one purpose of one candidate."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), number])
