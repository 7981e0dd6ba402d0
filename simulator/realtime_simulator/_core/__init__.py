"""What every other part uses: the clock, identifiers, the API's operations, schemas and refusals."""
