"""Behavioural checks of the privacy kernel: each runs the real code and measures what came out."""
