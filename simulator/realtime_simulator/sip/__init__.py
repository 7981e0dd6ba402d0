"""SIP calls to the simulator: the calls, their line, and the webhooks that announce them."""
