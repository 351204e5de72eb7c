"""Benchmarks: figures to print and to put into the docs, never tests."""
