"""WebSockets: handshakes, connections, and the sessions that they open or attach to."""
