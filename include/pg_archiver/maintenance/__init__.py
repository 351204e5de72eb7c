"""Indexes created and checked, and disk space given back."""
