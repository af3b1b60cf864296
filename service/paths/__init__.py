"""Paths as callers on other systems write them."""
