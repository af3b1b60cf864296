"""Families of models, one file each; `_family` says what a family is. Importing one imports no torch."""
