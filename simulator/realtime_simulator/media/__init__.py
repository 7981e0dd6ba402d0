"""Sound: a voice, Opus packets, resampling. Nothing here knows of sessions or sockets."""
