"""Channels that are fed from a real etcd."""
