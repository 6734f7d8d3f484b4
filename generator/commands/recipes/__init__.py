"""A recipe as `rankgen run` reads it, and what `--dry-run` says of it before a step begins.

`steps` reads the settings of a step, for running and forecasting alike. `forecast` prints the
recipe: how far each step is (`step_states`), what it costs (`step_costs`, which follows the lists
from step to step), and the `budget` of all. Costs are GPU-hours (`spent`), counted from what a
training reads (`training_costs`) and how fast it goes (`training_rates`).
"""
