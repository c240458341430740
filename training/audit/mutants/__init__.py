"""Deliberately broken builds: each passes what is not about privacy, and the checks must tell it apart."""
