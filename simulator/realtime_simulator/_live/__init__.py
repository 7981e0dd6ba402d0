"""The sessions of the Live API, sans I/O: full duplex along a timeline that advances with the audio."""
