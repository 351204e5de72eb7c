"""How hypothesis works here: the same examples at every run, no limit of time, nothing left on disk."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("house", deadline=None, derandomize=True, database=None)
settings.load_profile("house")
