"""Fleets of workers, in memory and on PostgreSQL."""
