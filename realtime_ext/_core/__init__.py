"""The base of all other parts: secrets, JSON, schemas, argument checks, threads, warnings. No I/O."""
