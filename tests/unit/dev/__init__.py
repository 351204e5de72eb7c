"""Tests of the local stack, the linter and the benchmarks."""
