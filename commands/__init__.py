"""One module a command; `cli.py` gathers them. A command parses, calls one function and prints."""
