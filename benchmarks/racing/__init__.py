"""What `labelling.py` races: lists, rankgen, rank-llm, the engine alone, and how it measures."""
