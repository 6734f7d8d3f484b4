"""Strategies: which windows a teacher is asked about; `registry` lists them.

`chain` makes their calls and writes down what each did. They know neither prompts nor engines.
"""
