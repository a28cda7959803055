"""Checks that trust nobody: the log, its imports, and the conservation of every minute."""
