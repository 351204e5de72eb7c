"""Threads, retries and stops."""
