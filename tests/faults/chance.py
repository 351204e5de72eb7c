"""Chance that comes out the same for the same words."""

from __future__ import annotations

import random


def seeded(words: str) -> random.Random:
    return random.Random(words)  # noqa: S311 (nothing here is a secret)
