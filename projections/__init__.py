"""What people read: tables rebuilt from events, and the engine that keeps them."""
