"""Regions under a seeded schedule of work, loss, delay, crashes and restores (docs/transfer.md, "The simulator")."""
