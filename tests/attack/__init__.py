"""Attacks on every border of the project: input from elsewhere, mutated; faulty servers; cancellations.

`make attack SECONDS=600` runs them; `SEED=…` repeats a run, `ONLY="events sdp"` chooses. A target is a
border: real input, and a function that must survive any change of it (`targets`). Cases are JSON values,
so that one module mutates them all (`mutation`) and one makes findings small (`minimizing`), which are then
kept in `tests/samples/attack`; a test tries these again.
"""
