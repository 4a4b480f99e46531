"""Leaves epsilon out: a row of zeros becomes NaN. Target: inputs that are never small enough for it to matter."""

EXPECT = "rejected"
SOURCE = """\
import torch


def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True)) * w)
"""
