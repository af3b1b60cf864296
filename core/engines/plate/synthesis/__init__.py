"""Completing one picture with pieces of others: PatchMatch, made coherent and levelled."""
