"""PostgreSQL: connections, bulk copying, notifications, the embedded server."""
