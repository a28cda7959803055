"""The client of the HTTP interface: requests, sign-in, and the queue from which `submit` sends."""
