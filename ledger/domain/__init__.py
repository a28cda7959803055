"""The rules: pure functions that decide an event against a state and say what it changes."""
