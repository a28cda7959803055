"""What one server process runs: regions, proofs, status lists, metrics."""
