"""The paper's figures beside yours.

`reproduce` lays them out: `measured_runs`, `measured_evaluations` and `measured_ablation` bring
your figures as `measured` values per query, `comparisons` tests them, `reproduction` holds the
result, which `reproduction_text` and `figure1_plot` show. `tables` has the paper's figures, `tirex`
its tasks, and `means` averages over them as the paper does. `ablation` and `ablation_plot` are
those of `rankgen ablate`.
"""
