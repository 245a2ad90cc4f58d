"""Parts of the module's panel, each with one job."""
