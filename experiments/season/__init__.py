"""Seasons of categories: planted in simulated worlds, learned, and what knowing them is worth."""
