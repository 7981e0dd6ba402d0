"""Faults: the catalog, the faults that are requested, and the events and answers that they alter."""
