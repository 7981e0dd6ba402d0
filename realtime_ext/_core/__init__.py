"""What every other part builds on: secrets, JSON, schemas, argument checks, threads, warnings. No I/O."""
