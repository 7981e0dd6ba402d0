"""The simulator's WebSocket surface: handshakes, and connections to sessions."""
