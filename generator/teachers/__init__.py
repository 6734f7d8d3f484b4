"""Teachers: anything that orders a window of passages for a query, from an LLM to a run file."""
