"""Faults by name: which there are, which are requested, and what they do to requests, events and answers."""
