"""What proves to one ledger the events that stand in another, and the misconduct of a peer."""
