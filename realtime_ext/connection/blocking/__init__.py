"""The connection that blocks."""
