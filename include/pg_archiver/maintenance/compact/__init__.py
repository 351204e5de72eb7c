"""Disk space given back while everybody goes on working."""
