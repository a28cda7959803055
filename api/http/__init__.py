"""The JSON interface: routes, sessions, limits, problem documents, and the OpenAPI document."""
