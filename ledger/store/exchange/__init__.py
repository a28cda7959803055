"""Tables of what regions send each other: imports, inbox, outbox, transfers."""
