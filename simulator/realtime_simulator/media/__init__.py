"""Sound: a voice, Opus packets, G.711, resampling; no sessions and no sockets."""
