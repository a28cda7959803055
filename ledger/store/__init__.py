"""PostgreSQL, and the only place with SQL for events: schema, log, decision state, recorder, embedded server."""
