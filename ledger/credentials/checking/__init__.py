"""Checking a proof of service, offline or online."""
