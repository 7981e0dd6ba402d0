"""Scenarios: what the model answers, what users say, what callers do, in Python and as YAML files.

A scenario is a function from a `Turn` to an answer: a text to say, an action, or several of them. None passes
the turn on to the next rule.
"""
