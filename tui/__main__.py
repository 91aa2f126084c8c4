"""`python -m tui` is `pilot-tui`."""

from tui.cli import main

if __name__ == "__main__":
    main()
