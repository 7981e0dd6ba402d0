"""Running sessions: the driver that connects an engine session with the event loop, and the settings."""
