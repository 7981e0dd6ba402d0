"""SIP without a trunk: incoming calls that are announced by webhook and wait to be accepted."""
