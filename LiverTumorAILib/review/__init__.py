"""What a reader makes of findings: decisions, corrected lesions, targets, kept with the results."""
