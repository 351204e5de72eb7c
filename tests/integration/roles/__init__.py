"""Tests of the scripts that make roles."""
