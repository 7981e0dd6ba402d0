"""Sound: a voice, Opus packets, G.711, sound files and resampling; no sessions and no sockets."""
