"""Where shared rankings lie: `opening` finds out, `local` and `hub` list the files.

`base` is what a source has to offer, and `beside` finds texts in files beside the rankings.
"""
