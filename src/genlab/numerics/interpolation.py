"""Paths between latents.

Under a normal prior in many dimensions nearly all latents have about the same length; a straight
line passes through others. Spherical interpolation keeps the length (White, "Sampling Generative
Networks", 2016, section 2.1; the formula is Shoemake's, SIGGRAPH 1985).
"""

import numpy as np

PARALLEL = 1e-6
"""Below this sine of the angle there is no single great circle: the path is straight."""


def linear(first: np.ndarray, last: np.ndarray, num_steps: int) -> np.ndarray:
    """Returns latents at equal distances on the line between two latents (latent_dim,).

    Both are included: float32 (num_steps, latent_dim), at least 2 steps.
    """
    first, last = np.asarray(first, np.float64), np.asarray(last, np.float64)
    shares = _shares(num_steps)
    return ((1 - shares) * first + shares * last).astype(np.float32)


def spherical(first: np.ndarray, last: np.ndarray, num_steps: int) -> np.ndarray:
    """Returns latents at equal angles on the arc between two latents, as `linear` does.

    Between latents that are parallel, opposite or 0 the path is straight.
    """
    first, last = np.asarray(first, np.float64), np.asarray(last, np.float64)
    lengths = np.linalg.norm(first) * np.linalg.norm(last)
    cosine = np.clip(first @ last / lengths, -1.0, 1.0) if lengths > 0 else 1.0
    angle = np.arccos(cosine)
    if np.sin(angle) < PARALLEL:
        return linear(first, last, num_steps)
    shares = _shares(num_steps)
    path = np.sin((1 - shares) * angle) * first + np.sin(shares * angle) * last
    return (path / np.sin(angle)).astype(np.float32)


def _shares(num_steps: int) -> np.ndarray:
    if num_steps < 2:
        raise ValueError(f"num_steps must be at least 2. Received: num_steps={num_steps}.")
    return np.linspace(0.0, 1.0, num_steps)[:, None]
