"""The event types: fields, bodies, submissions."""
