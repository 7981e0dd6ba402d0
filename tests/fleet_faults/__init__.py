"""A fleet of many calls under mixed faults: `python -m tests.fleet_faults --calls 300 --seeds 1 2 3`."""
