"""What every folder may use: the one error class, atomic files, progress. Standard library only."""
