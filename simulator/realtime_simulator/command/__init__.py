"""The simulator's command line: serving, and controlling one that serves."""
