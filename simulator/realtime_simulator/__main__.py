"""`python -m realtime_simulator` is `realtime-simulator`."""

import sys

from realtime_simulator.cli import main

if __name__ == "__main__":
    sys.exit(main())
