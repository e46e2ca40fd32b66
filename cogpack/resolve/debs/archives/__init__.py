"""What archives have: suites and their indexes, signed by a Release file, now or at a snapshot, and where their files
are fetched."""
