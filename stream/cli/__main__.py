"""`python -m stream.cli`: the same as `l1chain`."""

from __future__ import annotations

from stream.cli.app import main

main()
