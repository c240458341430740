"""What an audit asks of the server, in process and without a network."""

from serving.audit.neighbours import neighbours_at_the_server

__all__ = ["neighbours_at_the_server"]
