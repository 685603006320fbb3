"""From the keypoints of a person over time to an action: clips, the student network, decisions."""
