"""`rankgen subsample`: a labelled set in, a part of it out; `projection` cuts a list's windows."""
