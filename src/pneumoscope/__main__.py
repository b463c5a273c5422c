"""`python -m pneumoscope` is the command `pneumoscope`."""

from pneumoscope.cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
