"""The ways in: one module per MCP tool for agents, and their command-line twins for people."""
