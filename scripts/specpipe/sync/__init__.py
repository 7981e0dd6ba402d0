"""What `make sync` alone needs: compare the description with upstream's, and take over what changed there."""
