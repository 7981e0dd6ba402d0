"""Calls over WebRTC and SIP: peer connections, phone lines, webhooks, and the registry of all calls."""
