"""The wire's messages to what the service and core work with, and back."""
