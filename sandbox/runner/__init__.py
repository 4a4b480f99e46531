"""The runner: the only process that ever executes a solution, inside the sandbox, once.

It imports torch. The trusted side never believes what it says: its answers only tell when to look at
the outputs. It knows no reference, no expected output, no seed and no tolerance.
"""
