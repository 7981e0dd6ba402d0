"""What the model answers: rules with a default, their form as YAML files, and arguments for the tools it
calls.

A scenario is a function from a `Turn` to an answer: a text to say, an action, or several of them; None passes
the turn on to the next one.
"""

from realtime_simulator.scenario.rules import Answer, Match, Scenario, Script, actions, default, sequence

__all__ = ["Answer", "Match", "Scenario", "Script", "actions", "default", "sequence"]
