"""Step through a recorded session: the state at each event, and running on from there. No network."""
