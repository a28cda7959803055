"""One region's ledger: the only way in, group commit, and the signing of checkpoints."""
