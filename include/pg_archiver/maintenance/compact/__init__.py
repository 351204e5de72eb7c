"""Disk space given back while everybody continues to work."""
