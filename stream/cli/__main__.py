"""`python -m stream.cli`: the same as `l1chain`."""

from __future__ import annotations

from stream.cli.app import main

if __name__ == "__main__":
    main()
