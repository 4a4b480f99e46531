"""The Kernel Assay server: who may do what, what happened, and what it proved."""

__version__ = "0.1.0"
