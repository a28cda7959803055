"""The certificate: a proof of service as a PDF."""
