"""The HTTP and WebSocket server: its thread, its routes, and the recorder and player of sessions."""
