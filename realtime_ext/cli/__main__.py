"""`python -m realtime_ext.cli` is `realtime`."""

from . import main

main()
