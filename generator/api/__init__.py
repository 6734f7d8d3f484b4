"""What `import rankgen` offers, and what the command line calls: one function for each step.

`steps` has the functions, each with the settings of its command; `results` what they return.
"""
