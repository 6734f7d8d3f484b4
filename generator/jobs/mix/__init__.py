"""`rankgen mix`: several teachers' rankings in, one labelled set out."""
