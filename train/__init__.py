"""skd-edge on the workstation: from skeleton data to a distilled student in a bundle."""
