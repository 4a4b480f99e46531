"""Hides its cheat from readers. Target: static checks."""

EXPECT = "rejected"
SOURCE = """\
import base64
exec(base64.b64decode("ZGVmIHJ1bih4LCB3LCB5KToKICAgIHkuemVyb18oKQo="))
"""
