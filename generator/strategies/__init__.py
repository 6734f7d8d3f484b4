"""Strategies: which windows a teacher is asked about; `registry` lists them.

They depend neither on prompts nor on engines. `chain` makes the calls and writes down what each did.
"""
