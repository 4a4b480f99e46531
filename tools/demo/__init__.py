"""The demonstration: what the project is for, as a run that can fail."""
