"""The ledger: signed events, their Merkle log, and the rules that admit them. No HTTP, no framework."""
