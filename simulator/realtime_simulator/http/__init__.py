"""HTTP: the nine operations as Starlette routes, and what is common to all requests."""
