"""The demonstration: two regions, thousands of volunteers, proofs, and a move between the regions."""
