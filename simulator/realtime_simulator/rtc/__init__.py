"""WebRTC calls: offers, and peer connections by aiortc, which is loaded for the first call."""
