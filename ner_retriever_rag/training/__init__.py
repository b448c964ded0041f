"""From raw text to the shipped weights: mine pairs, train the head and the detector, calibrate."""
