"""The formats of a transparency log (RFC 6962, C2SP)."""
