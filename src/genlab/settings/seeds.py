"""Randomness is an argument: every part of a run derives its seed from the one in params.yaml."""

import hashlib


def derive(seed: int, *names: str | int) -> int:
    """Returns the seed of one part of a run, from 0 to 2**31 - 1.

    Args:
        seed: The seed in `params.yaml`.
        names: What the seed is for: `derive(seed, "train", "vae")`. Other names, independent seeds.
    """
    text = "/".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) >> 1
