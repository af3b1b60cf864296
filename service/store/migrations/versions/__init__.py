"""One module per version of the job store's schema."""
