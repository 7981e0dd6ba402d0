"""Rehearsals: the callers of a voice app, their scripts, and what is judged by their calls."""
