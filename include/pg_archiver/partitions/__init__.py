"""Whole partitions: which of them are due, and how one leaves its table."""
