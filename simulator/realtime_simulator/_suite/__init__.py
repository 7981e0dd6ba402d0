"""Checks of any server that speaks the API; they import nothing of the simulator's own server."""
