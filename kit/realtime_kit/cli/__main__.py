"""`python -m realtime_kit.cli` is `realtime`."""

from . import main

main()
