"""Control of a running simulator over HTTP, from its own machine and with its key."""
