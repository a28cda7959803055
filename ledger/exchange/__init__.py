"""What ledgers of different regions say to each other, and why they believe it."""
