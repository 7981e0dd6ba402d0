"""The simulator's HTTP surface: Starlette routes over calls, secrets and sessions."""
