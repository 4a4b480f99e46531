"""Isolation, compilation and trusted measurement of code that nobody has a reason to trust."""
