"""Loss, schedule, updates and validation (section 5)."""
