"""What the model answers.

A scenario is a function from a `Turn` to an answer: a text to say, an action, or several of them; None leaves
the turn to the next one. `answers` says what answers are, `script` puts scenarios in order, `default` is the
last of them, and `file` reads them from YAML.
"""

from realtime_simulator.scenario.answers import Answer, Scenario, actions, sequence
from realtime_simulator.scenario.default import default
from realtime_simulator.scenario.script import Match, Script

__all__ = ["Answer", "Match", "Scenario", "Script", "actions", "default", "sequence"]
