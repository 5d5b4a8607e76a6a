"""The project's own PostgreSQL and Valkey, for machines that have only Python.

`stack.start_stack` is the door: it gives URLs, whether the servers are embedded or external.
"""
