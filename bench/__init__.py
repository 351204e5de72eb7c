"""Benchmarks: figures to print and to put into the docs, never tests."""

import dev  # noqa: F401 (puts include/ on the path)
