"""A data folder: keys, checkpoints, the database, and the federation that is installed."""
