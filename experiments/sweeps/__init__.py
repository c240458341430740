"""Sweeps: one study over a grid of budgets, silos, customers or settings, and the frontier that it draws."""
