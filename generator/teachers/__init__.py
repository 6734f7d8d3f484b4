"""Teachers: whatever can order one window of passages for a query, from an LLM to a run file."""
