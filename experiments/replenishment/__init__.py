"""Replenishment measured: when customers need things again, by our private model and by others."""
