"""`realtime demo`: one real WebRTC call, from the first request to hanging up, for all to see."""
