"""The faults of parallel text: how they are found, named, repaired and reported."""
