"""`rankgen export`: a run in, one file in a public form out."""
