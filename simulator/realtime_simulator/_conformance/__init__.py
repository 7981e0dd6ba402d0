"""Check the simulator against recordings of the service: replay them and compare the results."""
