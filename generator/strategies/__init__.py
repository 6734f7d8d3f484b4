"""Strategies: the order of windows. They depend neither on prompts nor on engines."""
