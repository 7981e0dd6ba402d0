"""The base of all other parts: the clock, identifiers, the API's operations, schemas and refusals."""
