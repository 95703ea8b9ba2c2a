"""Models and a test set to evidence: accuracy, parity, latency, memory, reports.

Compute stands apart from drawing: `evaluation`, `comparison` and `latency` are pure numbers, `report` puts them into
one JSON document, and Markdown, HTML and pictures are made from that document alone.
"""
