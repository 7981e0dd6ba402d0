"""HTTP: the operations as Starlette routes, and what is common to all requests."""
