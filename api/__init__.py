"""The faces: HTTP, the command line, and what both need to open a deployment."""
