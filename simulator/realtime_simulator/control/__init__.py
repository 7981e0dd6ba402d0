"""What is done to a running simulator from outside: by `Simulator`'s methods, or over HTTP with its key."""
