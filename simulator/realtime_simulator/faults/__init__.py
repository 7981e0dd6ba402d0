"""Faults by name: what goes wrong between a client and the API, on demand.

`catalog` says which there are, `faults` which are asked for at the moment, and the other modules do them.
"""
