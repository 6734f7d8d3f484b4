"""`rankgen import`: rankings that others published in, a run like any other out."""
