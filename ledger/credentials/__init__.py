"""Proofs of service as files: values in, bytes out, and the checking of what comes back."""
