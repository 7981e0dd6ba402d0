"""`python -m realtime_ext` is `realtime`."""

from .cli import main

if __name__ == "__main__":
    main()
