"""Nsight Compute reports: read, summarise, diagnose."""
