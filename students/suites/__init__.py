"""Suites: many judged collections under one name, and what a student gains on all of them.

`registry` lists the suites by name, `tasks` says what a task is and `folders` finds those of a
local folder; `listed` reads collections that bring their first stage's lists, as NanoBEIR's do.
Nothing is searched here: the command runs `retrieve` and `evaluate` on each task, and `combined`
puts the figures into one table with means and tests over the tasks.
"""
