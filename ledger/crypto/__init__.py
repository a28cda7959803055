"""Canonical bytes, keys, signatures."""
