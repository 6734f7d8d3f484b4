"""What `import rankgen` offers, and what the command line calls: one function for each step.

`steps` has the functions, each with the settings of its command, and `sets` those for labelled
sets of others; `results` has what they return. `suite` evaluates on many collections, `ablation`
and `tuning` train many students; `training_cost` tells what a training costs, and
`trainings_forecast` what several do.
"""
