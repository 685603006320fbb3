"""From a person's joints over time to an action: clips, the student, decisions."""
