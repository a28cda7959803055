"""Award schemes as data, and the levels that service reaches under them."""
