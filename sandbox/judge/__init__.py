"""The judge: the trusted side of a measurement.

Owns the seed, the inputs, the reference, the tolerances and the clock. It runs in a process of its
own, so that the server never imports torch, and it never imports a solution: those run in the runner,
behind the sandbox, and are believed only as far as their outputs can be verified.
"""
