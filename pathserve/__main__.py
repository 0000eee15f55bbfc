"""``python -m pathserve``."""

from pathserve.cli import main

if __name__ == "__main__":
    main()
