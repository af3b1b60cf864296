"""Configuration, logs, metrics, health, and coming to rest."""
