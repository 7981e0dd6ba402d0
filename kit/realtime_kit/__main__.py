"""`python -m realtime_kit` is `realtime`."""

from .cli import main

if __name__ == "__main__":
    main()
