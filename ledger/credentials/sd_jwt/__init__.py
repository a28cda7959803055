"""Proofs of service as SD-JWT tokens with selective disclosure."""
