"""Pixels and engines: no gRPC, no host, no network.

Rooms: `frames` and `geometry` (words), `errors`, `jobs` (what to do), `plates` (files in and out), `colour`,
`engines` (who does it), `results` (composing and proving a result).
"""
